"""Measures gradients, activations and attention of each layer of a model on one fixed batch.

The batch is the same in every run of a study. The model is in eval mode (no dropout), the loss is plain cross-entropy,
and gradients are taken before clipping. Weights, stored gradients and random state do not change.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackcli.common.records import LayerRow
from stackcli.model.attention import Attention
from stackcli.model.batch import Batch
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import Context
from stackcli.training.batching import select_scored
from stackcli.training.parallel import Parallel, local_tensor
from stackcli.training.processes import Processes

Key = tuple[int, str]  # (layer, linear map)
WHOLE = Parallel()  # of a stack that one process holds


def schedule(steps: int) -> frozenset[int]:
    """Returns the steps after which layers are measured: 0, 1, 4, 16, 64, ... and the last."""
    return frozenset({0, steps, *(4**i for i in range(20) if 4**i < steps)})


class Tape:
    """The inputs and outputs of the linear maps and blocks in one forward pass."""

    def __init__(self) -> None:
        self.inputs: dict[str, Tensor] = {}  # name of the module -> (B, T, in)
        self.outputs: dict[str, Tensor] = {}  # -> (B, T, out)
        self.attention: dict[int, Tensor] = {}  # layer -> (B, H, T, T)

    def keep(self, name: str) -> Any:
        def hook(module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self.inputs[name] = local_tensor(inputs[0]).detach()
            self.outputs[name] = output

        return hook


@contextmanager
def record_traces(model: StackedAttention) -> Iterator[Tape]:
    """Records on a tape the forward pass that is made inside, with the explicit kernel in eval mode."""
    tape, handles, was_training = Tape(), [], model.training
    explicit = {attention: attention.explicit for attention in model.modules() if isinstance(attention, Attention)}
    model.eval()
    for layer, block in enumerate(model.stack, start=1):
        maps: dict[str, Any] = {"qkv": block.attention.qkv, "o": block.attention.out, "block": block}
        maps |= {"ff1": block.feed.ff1, "ff2": block.feed.ff2} if block.feed is not None else {}
        handles += [m.register_forward_hook(tape.keep(f"{layer}.{name}")) for name, m in maps.items()]
        block.attention.explicit = block.attention.dense = True
        block.attention.weights = _keeper(tape.attention, layer)  # type: ignore[method-assign]
    try:
        yield tape
    finally:
        for handle in handles:
            handle.remove()
        for attention, was in explicit.items():
            attention.explicit, attention.dense = was, False
            del attention.weights  # the method of the class is visible again
        model.train(was_training)


def _keeper(store: dict[int, Tensor], layer: int) -> Any:
    def keep(weights: Tensor) -> Tensor:
        store[layer] = weights.detach()
        return weights

    return keep


def look(
    model: StackedAttention,
    batch: Batch,
    *,
    step: int,
    updates: dict[Key, tuple[float, float]],
    parallel: Parallel = WHOLE,
) -> list[LayerRow]:
    """Measures every layer: one row for each linear map, one for the block, one for each head; none if the loss is not
    finite. If layers share their weights, the gradient of a layer is its own part of the sum.

    parallel: how the stack is divided. All processes call this function with the same batch and get the same rows.
    """
    tensors = [p for p in model.parameters() if p.requires_grad and parallel.whole]
    with record_traces(model) as tape, torch.enable_grad():
        loss = F.cross_entropy(*select_scored(model(batch.tokens, batch.mask, batch.pos, batch.tree), batch.labels))
        if not math.isfinite(float(loss.detach())):
            return []
        watched = list(tape.outputs.values())
        grads = torch.autograd.grad(loss, tensors + watched, allow_unused=True)
    by_tensor = {id(p): g for p, g in zip(tensors, grads, strict=False)}
    delta = dict(zip(tape.outputs, grads[len(tensors) :], strict=True))
    if len({block.attention.qkv.weight for block in model.stack}) < len(model.stack):
        by_tensor = {}  # a shared weight has the sum over layers, not the part of each
    maps = parallel.map_parts
    out: list[LayerRow] = []
    with torch.no_grad():
        for layer, block in enumerate(model.stack, start=1):
            out += _maps(layer, block, tape, by_tensor, delta, updates, step, maps)
            out.append(_block(layer, tape.outputs[f"{layer}.block"], delta[f"{layer}.block"], batch.mask, out, step))
            out += _heads(layer, block.attention, tape.attention[layer], batch, step, maps)
    return out


def _maps(
    layer: int,
    block: Any,
    tape: Tape,
    by_tensor: Mapping[int, Tensor],
    delta: dict[str, Tensor],
    updates: dict[Key, tuple[float, float]],
    step: int,
    processes: Processes,
) -> list[LayerRow]:
    modules = {"qkv": block.attention.qkv, "o": block.attention.out}
    modules |= {"ff1": block.feed.ff1, "ff2": block.feed.ff2} if block.feed is not None else {}
    out = []
    for name, module in modules.items():
        roles, n = (("q", "k", "v"), 3) if name == "qkv" else ((name,), 1)
        a, d_all = tape.inputs[f"{layer}.{name}"], delta[f"{layer}.{name}"]
        grad = by_tensor.get(id(module.weight))
        if grad is None:
            grad = d_all.flatten(0, -2).T @ a.flatten(0, -2)  # (out, in)
        pieces = zip(roles, grad.chunk(n), d_all.chunk(n, dim=-1), strict=True)
        for role, g, d in pieces:
            g1, g3 = processes.joint_norms([float(g.norm()), alignment_free(d, a)])  # of the parts of the map
            update, decay = updates.get((layer, role), (None, None))
            out.append(
                LayerRow(
                    step=step,
                    layer=layer,
                    tensor=role,
                    g1=g1,
                    g2=g1 / math.sqrt(g.numel() * processes.size),
                    g3=g3,
                    align=g1 / g3 if g3 else None,
                    update=update,
                    decay=decay,
                )
            )
    return out


def alignment_free(delta: Tensor, a: Tensor) -> float:
    """Returns G3, sqrt(sum over tokens of |delta_t|^2 |a_t|^2); delta (B, T, out): the gradient at a map's output, a
    (B, T, in): its input. It equals the norm of the weight's gradient if no two tokens' contributions are aligned."""
    scale = float(delta.abs().max())  # so that squares of small gradients do not underflow
    if not scale:
        return 0.0
    return scale * float(((delta / scale).square().sum(-1) * a.square().sum(-1)).sum().sqrt())


def _block(layer: int, x: Tensor, delta: Tensor, mask: Tensor | None, maps: list[LayerRow], step: int) -> LayerRow:
    g1 = {row.tensor: row.g1 for row in maps if row.layer == layer}
    q, v = g1.get("q"), g1.get("v")
    real = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask
    return LayerRow(
        step=step,
        layer=layer,
        tensor="block",
        g4=float(delta.norm()),
        ratio_qv=q / v if q is not None and v else None,
        cosine=token_cosine(x, real),
        rank=rank_residual(x, real),
        signal=float(x[real].square().mean().sqrt()),
    )


def token_cosine(x: Tensor, real: Tensor) -> float | None:
    """Returns the mean cosine of two different real tokens of a sequence, averaged over sequences; x (B, T, D), real
    (B, T). None if no sequence has two."""
    unit = F.normalize(x, dim=-1) * real[..., None]
    n = real.sum(1).to(x.dtype)
    pairs = unit.sum(1).square().sum(-1) - unit.square().sum((1, 2))  # (B,): ordered pairs, without a token and itself
    several = n > 1
    return float((pairs[several] / (n * (n - 1))[several]).mean()) if bool(several.any()) else None


def rank_residual(x: Tensor, real: Tensor) -> float | None:
    """Returns |X - 1 x'| / |X| with x' the mean token, averaged over sequences: 0 if all tokens are equal. Dong et al.
    2021, arXiv:2103.03404, with the Frobenius norm, for which the mean is the best x'. None if all X are 0."""
    kept = real.to(x.dtype)[..., None]
    mean = (x * kept).sum(1, keepdim=True) / kept.sum(1, keepdim=True).clamp(min=1)
    rest, size = ((x - mean) * kept).norm(dim=(1, 2)), (x * kept).norm(dim=(1, 2))
    nonzero = size > 0
    return float((rest[nonzero] / size[nonzero]).mean()) if bool(nonzero.any()) else None


def _heads(
    layer: int, attention: Attention, found: Tensor, batch: Batch, step: int, processes: Processes
) -> list[LayerRow]:
    """Returns a row for each head of all processes with its entropy; none if the weights may be negative. A sink takes
    a part of each query's weight: the entropy is that of the shares of what is left."""
    if attention.pattern.signed:
        return []
    found = found if attention.pattern.sink() is None else found / found.sum(-1, keepdim=True).clamp(min=1e-30)
    even = even_entropy(attention, batch)
    own = processes.gather(head_entropy(found, batch.mask).tolist())
    return [
        LayerRow(step=step, layer=layer, tensor=f"head{h}", entropy=e, even=even)
        for h, e in enumerate(e for heads in own for e in heads)
    ]


def head_entropy(weights: Tensor, mask: Tensor | None) -> Tensor:
    """Returns the entropy of each head's attention, nats, averaged over real queries: weights (B, H, T, T) -> (H,)."""
    entropy = torch.special.entr(weights).sum(-1)  # (B, H, T)
    if mask is None:
        averaged: Tensor = entropy.mean((0, 2))
        return averaged
    kept = mask.to(entropy.dtype)[:, None, :]
    over_real: Tensor = (entropy * kept).sum((0, 2)) / kept.sum().clamp(min=1)
    return over_real


def even_entropy(attention: Attention, batch: Batch) -> float:
    """Returns the entropy of uniform attention, nats: the mean over real queries of the logarithm of the number of keys
    that a query may attend to."""
    B, T = batch.tokens.shape
    allowed = attention.allowed(Context(torch.arange(T, device=batch.tokens.device), batch.mask), T)
    if allowed is None:
        return math.log(T)
    keys = allowed.sum(-1).double().log()  # (T,), or (B, 1, T) if sequences differ
    each = keys.reshape(-1, T).expand(B, T)
    return float(each.mean() if batch.mask is None else each[batch.mask].mean())


def weights(model: StackedAttention) -> dict[str, Tensor]:
    """Copies what this process holds of the weights of every linear map of the blocks."""
    return {name: p.detach().clone() for name, p in block_matrices(model).items()}


def block_matrices(model: StackedAttention) -> dict[str, nn.Parameter]:
    """Returns the matrices of the linear maps of the blocks, by their names in the stack."""
    ends = ("attention.qkv.weight", "attention.out.weight", "feed.ff1.weight", "feed.ff2.weight")
    return {name: p for name, p in model.named_parameters(remove_duplicate=False) if name.endswith(ends)}


ROLES = {"qkv": ("q", "k", "v"), "out": ("o",), "ff1": ("ff1",), "ff2": ("ff2",)}


def updates(
    model: StackedAttention, before: dict[str, Tensor], *, decay: float, parallel: Parallel = WHOLE
) -> dict[Key, tuple[float, float]]:
    """Returns G5 of the last optimiser step: (|change without decay| / |weight|, |decay| / |weight|). AdamW first
    shrinks a weight by `decay` (learning rate x weight decay), then adds its step. A divided map is put together for
    it, one map at a time."""
    out = {}
    for name, p in block_matrices(model).items():
        _, layer, *_, module, _ = name.split(".")
        new, old = parallel.full(name, p.detach()), parallel.full(name, before[name])
        roles = ROLES[module]
        for role, w, was in zip(roles, new.chunk(len(roles)), old.chunk(len(roles)), strict=True):
            out[int(layer) + 1, role] = (float((w - was * (1 - decay)).norm() / was.norm()), decay)
    return out


def ratios(layers: list[LayerRow]) -> dict[str, float | None]:
    """Returns the first-to-last gradient ratios, block 1 over block L, of the second feed-forward map (of `o` if there
    is none): plain (G1) and alignment-free (G3), at step 0 and at the last measured step. Below 1 the gradient vanishes
    towards the input."""
    found: dict[str, float | None] = {}
    maps = "ff2" if any(row.tensor == "ff2" for row in layers) else "o"
    by_step: dict[int, list[LayerRow]] = defaultdict(list)
    for row in layers:
        if row.tensor == maps:
            by_step[row.step].append(row)
    for when, step in (("init", 0), ("end", max(by_step, default=0))):
        for name, measure in (("grad", "g1"), ("free", "g3")):
            sizes = [getattr(row, measure) for row in sorted(by_step[step], key=lambda row: row.layer)]
            found[f"{name}_ratio_{when}"] = sizes[0] / sizes[-1] if sizes and sizes[-1] else None
    return found
