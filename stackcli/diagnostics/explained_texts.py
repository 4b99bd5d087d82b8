"""A trained stack and some texts, as the methods of explanation see them (`stackcli.explain.base.Explained`).

Everything is computed in double precision, by a copy of the stack.

Shapes: B texts, T tokens, D width, H heads, L blocks, C classes.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from stackcli.attention.base import Pattern
from stackcli.explain.base import Baseline, Rule
from stackcli.model.attention import Attention
from stackcli.model.batch import Batch
from stackcli.model.stack import StackedAttention
from stackcli.norm.batch import Batch as BatchNorm
from stackcli.norm.layer import Layer
from stackcli.norm.none import NoNorm
from stackcli.norm.rms import Rms
from stackcli.pe.base import Context, PositionEncoding


def exact_copy(model: StackedAttention) -> StackedAttention:
    """Returns a copy of a stack for explanations: in double precision and eval mode, its weights without gradients."""
    return copy.deepcopy(model).double().eval().requires_grad_(False)


def has_shares(model: StackedAttention) -> bool:
    """Returns whether no attention weight of a stack can be negative, so that the weights are shares."""
    return not any(block.attention.pattern.signed for block in model.stack)


class ExplainedTexts:
    """Texts and the logit that is explained for each: of `classes`, (B,), or else of the class that the whole text
    gets. In a stack that answers at every token it is the answer at the last real token. model: an `exact_copy`.

    Raises ValueError for a stack with several answers at a token.
    """

    def __init__(self, model: StackedAttention, batch: Batch, classes: Tensor | None = None) -> None:
        if model.outputs > 1:
            raise ValueError("this run gives several answers at each token; a run with one answer can be explained")
        self.model, tokens = model, batch.tokens
        self.mask = torch.ones_like(tokens, dtype=torch.bool) if batch.mask is None else batch.mask
        self.pos = self.model.positions(tokens, self.mask) if batch.pos is None else batch.pos
        self.tokens, self.tree = tokens, batch.tree
        with torch.no_grad():
            self.words = self.model.embedding(tokens).masked_fill(~self.mask[..., None], 0)
            self.added = self.model.pe.embed(self.words, self.context(self.mask)) - self.words
            self.last = (self.mask * torch.arange(1, tokens.shape[1] + 1)).argmax(1)  # the last real token
            self.readers = self.mask
            if self.model.every:
                self.readers = nn.functional.one_hot(self.last, tokens.shape[1]).bool()
            self.logits = self.forward(self.words + self.added)
        self.classes = self.logits.argmax(-1) if classes is None else classes

    @property
    def kinds(self) -> str:
        """Names of the kinds of attention in the stack."""
        return ",".join(dict.fromkeys(type(block.attention.pattern).__name__.lower() for block in self.model.stack))

    def context(self, mask: Tensor) -> Context:
        """The context that every block is given."""
        causal = self.model.stack[0].attention.causal
        return Context(self.pos, None if bool(mask.all()) else mask, self.tree, causal=causal, kept={})

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (B, C) for the input x of the stack, (B, T, D), before the normalisation that opens some stacks."""
        model, ctx = self.model, self.context(self.mask if mask is None else mask)
        if model.opening is not None:
            x = model.opening(x, ctx.mask)
        for block in model.stack:
            x = block(x, ctx, model.pe)
        logits = model.classify(model.leave(x, ctx.mask))
        return logits[torch.arange(len(logits)), self.last] if model.every else logits

    def pick_class(self, logits: Tensor) -> Tensor:
        """The logit of the explained class: (B, C) -> (B,)."""
        return logits.gather(1, self.classes[:, None])[:, 0]

    def kernel_difference(self) -> float:
        """Largest difference between the logits and those of the kernel that keeps the attention weights."""
        with torch.no_grad():
            return float((self.forward_through(lambda weights: weights) - self.logits).abs().max())

    # ---- what a method asks for

    def logit(self, x: Tensor, *, rule: Rule = "plain") -> Tensor:
        with changed_gradients(self.model, rule):
            return self.pick_class(self.forward(x))

    def logit_of(self, keep: Tensor) -> Tensor:
        keep = keep & self.mask
        words = self.words.masked_fill(~keep[..., None], 0)
        return self.pick_class(self.forward(self.model.pe.embed(words, self.context(keep)), keep))

    def with_model(self, model: StackedAttention) -> "ExplainedTexts":
        """The same texts and classes in another stack of the same sizes, an `exact_copy`."""
        labels = torch.zeros(len(self.tokens))
        return ExplainedTexts(model, Batch(self.tokens, labels, self.mask, self.tree, self.pos), self.classes)

    def choose_texts(self, rows: Tensor) -> "ExplainedTexts":
        chosen = copy.copy(self)
        for name in ("tokens", "mask", "words", "added", "last", "readers", "logits", "classes"):
            setattr(chosen, name, getattr(self, name)[rows])
        chosen.pos = self.pos if self.pos.dim() == 1 else self.pos[rows]
        chosen.tree = None if self.tree is None else self.tree[rows]
        return chosen

    def attention(self) -> list[Tensor]:
        if not has_shares(self.model):
            raise ValueError(
                f"the weights of attention={self.kinds} may be negative, so they are no shares; choose another method"
            )
        found: list[Tensor] = []

        def keep(weights: Tensor) -> Tensor:
            found.append(weights)
            return weights

        with torch.no_grad():
            self.forward_through(keep)
        return found

    def attention_gradients(self) -> list[Tensor]:
        weights: list[Tensor] = []

        def watch(found: Tensor) -> Tensor:
            found = found.requires_grad_() if not found.requires_grad else found
            weights.append(found)
            return found

        with torch.enable_grad():
            logit = self.pick_class(self.forward_through(watch))
            if not logit.requires_grad:
                raise ValueError(
                    f"attention={self.kinds} has no weights of all pairs with a gradient; choose another method"
                )
            return list(torch.autograd.grad(logit.sum(), weights))

    def forward_through(self, weights: Callable[[Tensor], Tensor]) -> Tensor:
        """Logits (B, C), where every block computes all pairs and passes its attention weights through `weights`."""
        with ExitStack() as stack:
            for block in self.model.stack:
                stack.enter_context(replace_attribute(block.attention, "weights", weights))
                stack.enter_context(replace_attribute(block.attention, "explicit", True))
                stack.enter_context(replace_attribute(block.attention, "dense", True))
            return self.forward(self.words + self.added)

    def without_values(self) -> list[Tensor]:
        model, ctx = self.model, self.context(self.mask)
        x = self.words + self.added
        found = []
        with torch.no_grad():
            if model.opening is not None:
                x = model.opening(x, ctx.mask)
            for block in model.stack:
                out = block(x, ctx, model.pe)
                moved = [self.distance_without(block, x, out, ctx, at) for at in range(x.shape[1])]
                found.append(torch.stack(moved, dim=-1))
                x = out
        return found

    def distance_without(self, block: nn.Module, x: Tensor, out: Tensor, ctx: Context, at: int) -> Tensor:
        """How far the output of each token moves where the value of token `at` is zero: (B, T), 0 at padding."""
        attention = block.attention
        assert isinstance(attention, Attention)

        def attend(q: Tensor, k: Tensor, v: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
            v = v.clone()
            v[:, :, at] = 0
            return Attention.attend(attention, q, k, v, ctx, pe)

        with replace_attribute(attention, "attend", attend):
            other = block(x, ctx, self.model.pe)
        real = self.mask & self.mask[:, at, None]
        return (1 - nn.functional.cosine_similarity(out, other, dim=-1)).masked_fill(~real, 0)

    def bias_terms(self) -> Tensor:
        added: list[tuple[Tensor, Tensor]] = []  # a bias and the tensor that holds it
        with torch.enable_grad(), ExitStack() as stack:
            for module in self.model.modules():
                if (bias := bias_of_module(module)) is not None:
                    handle = module.register_forward_hook(partial(keep_output, added, bias))
                    stack.callback(handle.remove)
            for pe in {block.own or self.model.pe for block in self.model.stack}:
                stack.enter_context(replace_attribute(pe, "mix", partial(keep_mixed, added, pe)))
            x = (self.words + self.added).requires_grad_()
            logit = self.logit(x, rule="constant")
            grads = torch.autograd.grad(logit.sum(), [y for _, y in added], allow_unused=True)
        terms = [
            (grad * bias).flatten(1).sum(1) for (bias, _), grad in zip(added, grads, strict=True) if grad is not None
        ]
        return sum(terms, torch.zeros_like(logit.detach()))

    def baseline(self, name: Baseline) -> tuple[Tensor, Tensor]:
        if name == "zero":
            return torch.zeros_like(self.words), torch.zeros_like(self.added)
        mean = self.model.embedding.weight[1:].mean(0)
        return mean.expand_as(self.words).masked_fill(~self.mask[..., None], 0), self.added


# ---- gradients by the rules of layer-wise relevance propagation


@contextmanager
def changed_gradients(model: StackedAttention, rule: Rule) -> Iterator[None]:
    """Changes the gradients of a stack, and no value: see `stackcli.explain.base.Explained.logit`.

    Raises ValueError for a part whose propagation is not known: attention with a recurrent network, and normalisations
    of other packages.
    """
    if rule == "plain":
        yield
        return
    scale = (0.0, 0.0, 1.0) if rule == "constant" else (0.25, 0.25, 0.5)  # of the gradients of q, k and v
    with ExitStack() as stack:
        for block in model.stack:
            attention, pattern = block.attention, block.attention.pattern
            if type(pattern).prepare is not Pattern.prepare:
                name = type(pattern).__name__.lower()
                raise ValueError(f"relevance cannot be propagated through attention={name}; choose another method")
            for join in block.joins():
                if not isinstance(join.norm, Layer | Rms | BatchNorm | NoNorm | nn.Identity):
                    name = type(join.norm).__name__
                    raise ValueError(
                        f"relevance cannot be propagated through the normalisation {name}; choose another method"
                    )
            stack.enter_context(replace_attribute(attention, "attend", partial(attend_scaled, attention, scale)))
            if type(pattern).gate is not Pattern.gate:
                stack.enter_context(replace_attribute(pattern, "gate", partial(gate_scaled, pattern, scale[2])))
        for module in model.modules():
            if isinstance(module, Layer | Rms):
                stack.enter_context(replace_attribute(module, "forward", partial(normalise, module)))
        yield


def attend_scaled(
    attention: Attention,
    scale: tuple[float, float, float],
    q: Tensor,
    k: Tensor,
    v: Tensor,
    ctx: Context,
    pe: PositionEncoding,
) -> Tensor:
    """Attention with scaled gradients of queries, keys and values. The weights would get half of the gradient of their
    product with the values, and each of q and k half of that of theirs, so q and k get a quarter. A product of a query
    with an encoding's table is treated as one with a key."""
    q, k, v = (scale_gradient(x, s) for x, s in zip((q, k, v), scale, strict=True))
    return Attention.attend(attention, q, k, v, ctx, pe)


def gate_scaled(pattern: Pattern, share: float, x: Tensor, y: Tensor) -> Tensor:
    """A gate with a share of the gradient of what is gated, y, and the rest to x."""
    return type(pattern).gate(pattern, scale_gradient(x, 1 - share), scale_gradient(y, share))


def scale_gradient(x: Tensor, share: float) -> Tensor:
    """Returns x, with a share of its gradient."""
    return x.detach() if share == 0 else x if share == 1 else x.detach() + share * (x - x.detach())


def normalise(module: Layer | Rms, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Layer or root mean square normalisation whose scale is a constant."""
    centred = x - x.mean(-1, keepdim=True) if isinstance(module, Layer) else x
    eps = torch.finfo(x.dtype).eps if module.eps is None else module.eps
    out: Tensor = centred * (centred.detach().square().mean(-1, keepdim=True) + eps).rsqrt() * module.weight
    return out + module.bias if isinstance(module, Layer) else out


# ---- bias terms


def bias_of_module(module: nn.Module) -> Tensor | None:
    """What a module adds whatever its input: (features,), or None."""
    if isinstance(module, BatchNorm):
        found: Tensor = module(torch.zeros_like(module.bias)[None, None])[0, 0]
        return found
    return module.bias if isinstance(module, nn.Linear | nn.LayerNorm) else None


def keep_output(
    added: list[tuple[Tensor, Tensor]], bias: Tensor, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor
) -> None:
    """A forward hook that keeps a module's bias and its output."""
    if output.requires_grad:  # not what only a constant depends on
        added.append((bias, output))


def keep_mixed(
    added: list[tuple[Tensor, Tensor]], pe: PositionEncoding, weights: Tensor, ctx: Context
) -> Tensor | None:
    """Keeps what an encoding adds to the output of attention, which depends on no token where the weights are
    constants."""
    mixed = type(pe).mix(pe, weights, ctx)
    if mixed is not None:
        mixed = mixed.detach().requires_grad_()
        added.append((mixed.detach(), mixed))
    return mixed


_MISSING = object()


@contextmanager
def replace_attribute(item: Any, name: str, value: Any) -> Iterator[None]:
    """Sets an attribute of one object while the context lasts."""
    was = vars(item).get(name, _MISSING)
    vars(item)[name] = value
    try:
        yield
    finally:
        if was is _MISSING:
            del vars(item)[name]
        else:
            vars(item)[name] = was
