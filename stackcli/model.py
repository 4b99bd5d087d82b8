"""The shared core: attention, a block, the stack. Read top-down.

Shapes: B batch, T positions, D width, H heads, E = D / H, C classes, V vocabulary.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackcli import parts
from stackcli.address import address, torch_at
from stackcli.attention.base import Pattern
from stackcli.batches import Batch
from stackcli.data.base import Loaded
from stackcli.init.base import Init
from stackcli.pe.base import Adjusted, Context, PositionEncoding
from stackcli.residual.base import Branch, Residual
from stackcli.settings import Config

PAD = 0  # the token id of padding


class Attention(nn.Module):
    """Multi-head self-attention, Vaswani et al. 2017, sec. 3.2. (B, T, D) -> (B, T, D)."""

    def __init__(self, *, dim: int, heads: int, causal: bool, pattern: Pattern, dropout: float, explicit: bool) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim={dim} is not divisible by heads={heads}")
        self.heads, self.causal, self.pattern, self.explicit = heads, causal, pattern, explicit
        self.drop = Dropout(dropout)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        B, T, D = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)  # (B, H, T, E) each
        q, k = pe.rotate(q, k, ctx)
        attend = self.by_hand if self.explicit or not pe.fused else self.by_kernel
        y = attend(q, k, v, ctx, pe)  # (B, H, T, E)
        projected: Tensor = self.out(y.transpose(1, 2).reshape(B, T, D))
        return projected

    def by_kernel(self, q: Tensor, k: Tensor, v: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        """PyTorch's fused attention; a fixed bias and the masks go in as one mask."""
        bias, p = pe.bias(q, k, ctx), self.drop.p if self.training else 0.0
        if bias is None and self.causal and ctx.mask is None and not self.limits(q.shape[-2], q.device):
            return F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        allowed = self.allowed(ctx, q.shape[-2])
        mask = allowed if bias is None else bias if allowed is None else bias.masked_fill(~allowed, -math.inf)
        y: Tensor = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p)
        return y

    def limits(self, length: int, device: torch.device) -> bool:
        """Whether the pattern forbids anything at this length."""
        return self.pattern.allowed(length, device) is not None

    def by_hand(self, q: Tensor, k: Tensor, v: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        """The softmax written out: where an encoding mixes the weights, or a probe asks for them."""
        scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)  # (B, H, T, T)
        bias, allowed = pe.bias(q, k, ctx), self.allowed(ctx, q.shape[-2])
        if bias is not None:
            scores += bias
        if allowed is not None:
            scores.masked_fill_(~allowed, -math.inf)
        weights: Tensor = self.drop(self.weights(scores.softmax(-1)))  # (B, H, T, T)
        mixed = pe.mix(weights, ctx)
        return weights @ v if mixed is None else weights @ v + mixed

    def weights(self, weights: Tensor) -> Tensor:
        """The attention weights as they pass, (B, H, T, T): a probe replaces this to keep them."""
        return weights

    def allowed(self, ctx: Context, length: int) -> Tensor | None:
        """True where query i may see key j, broadcastable to (B, 1, T, T); None where all may. Padding is seen by
        nobody but itself, so no row is empty and none gives NaN."""
        seen = None if ctx.mask is None else ctx.mask[:, None, None, :]  # (B, 1, 1, T)
        device = ctx.pos.device
        pattern = self.pattern.allowed(length, device)
        past = torch.ones(length, length, dtype=torch.bool, device=device).tril() if self.causal else None
        for own in (pattern, past):
            if own is not None:
                seen = own if seen is None else own & seen
        if ctx.mask is None or seen is None:
            return seen
        return seen | torch.eye(length, dtype=torch.bool, device=device)


class Dropout(nn.Module):
    """Dropout, Srivastava et al. 2014, from PyTorch's own generator.

    On a CPU 16 random bits decide on each element, four from one draw: 2.6 times faster than `torch.nn.Dropout`. The
    probability is rounded to 1/65536 and the kept elements are scaled by what was in fact kept, so the mean is exact.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return F.dropout(x, self.p, self.training)
        dropped = min(round(self.p * 65536), 65535)
        bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        kept = bits.view(torch.int16)[: x.numel()].view(x.shape) >= dropped - 32768
        return x * kept.to(x.dtype).mul_(65536 / (65536 - dropped))


class LayerDrop(nn.Module):
    """Stochastic depth, Huang et al. 2016, sec. 3, arXiv:1603.09382: in training each sequence goes without the branch
    with probability `p`; what is kept is scaled by 1 / (1 - p), where the paper scales in evaluation. (B, T, D) -> the
    same."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = torch.rand(x.shape[0], 1, 1, device=x.device) >= self.p
        return x * kept.to(x.dtype).div_(1 - self.p)


class FeedForward(nn.Module):
    """Two linear maps with ReLU between, Vaswani et al. 2017, eq. 2. (B, T, D) -> (B, T, D)."""

    def __init__(self, *, dim: int, hidden: int) -> None:
        super().__init__()
        self.ff1 = nn.Linear(dim, hidden)
        self.ff2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.ff2(F.relu(self.ff1(x)))
        return projected


class Block(nn.Module):
    """Self-attention and a feed-forward map, each joined to the stream by a residual scheme; `feed=None` leaves
    attention alone. `own` is the block's own encoding, where its tables are not shared between layers."""

    def __init__(
        self,
        *,
        attention: Attention,
        join: Residual,
        feed: FeedForward | None,
        feed_join: Residual | None,
        own: PositionEncoding | None,
        dropout: float,
        layer_drop: float,
    ) -> None:
        super().__init__()
        self.attention, self.join, self.feed, self.feed_join = attention, join, feed, feed_join
        self.own, self.dropout, self.skip = own, Dropout(dropout), LayerDrop(layer_drop)
        if feed_join is not None:
            feed_join.pair(join)

    def forward(self, x: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        pe = pe if self.own is None else self.own
        x = self.join(x, lambda h: self.skip(self.dropout(self.attention(h, ctx, pe))), ctx.mask)
        if self.feed is None or self.feed_join is None:
            return x
        feed = self.feed
        y: Tensor = self.feed_join(x, lambda h: self.skip(self.dropout(feed(h))), ctx.mask)
        return y

    def joins(self) -> Iterator[Residual]:
        """Those of its branches, in order."""
        yield self.join
        if self.feed_join is not None:
            yield self.feed_join

    def gain(self, role: str) -> float:
        """What its residual scheme multiplies a drawn matrix with."""
        join = self.feed_join if role in ("ff1", "ff2") else self.join
        return join.gain(role) if join is not None else 1.0


class StackedAttention(nn.Module):
    """Token vectors, a position encoding, L blocks, masked mean pooling, a linear classifier."""

    def __init__(
        self,
        *,
        vocab: int,
        classes: int,
        dim: int,
        pe: PositionEncoding,
        blocks: list[Block],
        opening: nn.Module | None,
        closing: nn.Module | None,
        dropout: float,
        every: bool,
        outputs: int,
    ) -> None:
        super().__init__()
        self.every, self.outputs, self.classes = every, outputs, classes  # every: answers at each token, not once
        self.embedding = nn.Embedding(vocab, dim)
        self.pe, self.opening, self.blocks, self.closing = pe, opening, nn.ModuleList(blocks), closing
        self.stack = tuple(blocks)  # the same blocks, with their type
        self.head = nn.Linear(dim, outputs * classes)
        self.reach, self.seed = 0, 0  # positions are drawn from 0 .. reach - 1, at this seed; reach=0: they count
        self.dropout = Dropout(dropout)

    def forward(
        self, tokens: Tensor, mask: Tensor | None = None, pos: Tensor | None = None, tree: Tensor | None = None
    ) -> Tensor:
        """Token ids (B, T) -> logits (B, C), or where every token is answered (B, T, C) or (B, T, outputs, C). mask:
        True on real tokens (B, T), None: all are. pos: (T,) or (B, T). tree: index of each token's parent (B, T)."""
        x, ctx = self.enter(tokens, mask, pos, tree)
        for block in self.stack:
            x = block(x, ctx, self.pe)
        return self.answer(x, mask)

    def enter(
        self, tokens: Tensor, mask: Tensor | None, pos: Tensor | None, tree: Tensor | None
    ) -> tuple[Tensor, Context]:
        """What enters block 1, token vectors with their positions (B, T, D), and where the tokens stand."""
        pos = self.positions(tokens, mask) if pos is None else pos
        ctx = Context(pos, mask, tree, causal=self.stack[0].attention.causal)
        x = self.pe.embed(self.embedding(tokens), ctx)
        if self.opening is not None:
            x = self.opening(x, mask)
        return self.dropout(x), ctx

    def answer(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The last block's output (B, T, D) -> logits."""
        if self.closing is not None:
            x = self.closing(x, mask)
        logits: Tensor = self.head(x if self.every else pool(x, mask))
        if self.outputs > 1:
            logits = logits.view(*logits.shape[:-1], self.outputs, self.classes)
        return logits

    def positions(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """0, 1, 2, ... (T,), or where they are randomised for each sequence a sorted choice from 0 .. reach - 1, (B,
        T). Ruoss et al. 2023, sec. 3, arXiv:2305.16843.

        In training the choice is drawn anew at each step. Otherwise it is a function of the seed and of the
        sequence's own tokens, so that a text is answered alike alone and in any batch. Padding stands at the last
        position. Raises ValueError where a sequence is longer than the range."""
        B, T = tokens.shape
        if not self.reach:
            return torch.arange(T, device=tokens.device)
        lengths = [T] * B if mask is None else mask.sum(1).tolist()
        if max(lengths) > self.reach:
            raise ValueError(f"{max(lengths)} tokens need pe.range={max(lengths)} at least, not {self.reach}")
        pos = torch.full((B, T), self.reach - 1)
        if self.training:
            most = max(lengths)
            chosen = torch.rand(B, self.reach).topk(most).indices  # the first n of a row are a choice of n
            chosen[torch.arange(most)[None] >= torch.tensor(lengths)[:, None]] = self.reach - 1
            pos[:, :most] = chosen.sort(1).values
            return pos.to(tokens.device)
        for row, ids, length in zip(range(B), tokens.tolist(), lengths, strict=True):
            draw = torch.Generator().manual_seed(address(self.seed, "positions", *ids[:length]))
            pos[row, :length] = torch.randperm(self.reach, generator=draw)[:length].sort().values
        return pos.to(tokens.device)

    def maps(self) -> Iterator[tuple[int, str, Tensor, Tensor]]:
        """Every linear map: (layer, role, weight (out, in), bias (out,)); views, so Q, K and V come one by one. The
        head's layer is 0."""
        for layer, block in enumerate(self.stack, start=1):
            attention = block.attention
            rows = zip("qkv", attention.qkv.weight.chunk(3), attention.qkv.bias.chunk(3), strict=True)
            yield from ((layer, role, weight, bias) for role, weight, bias in rows)
            yield layer, "o", attention.out.weight, attention.out.bias
            if block.feed is not None:
                yield layer, "ff1", block.feed.ff1.weight, block.feed.ff1.bias
                yield layer, "ff2", block.feed.ff2.weight, block.feed.ff2.bias
        yield 0, "head", self.head.weight, self.head.bias

    @property
    def kernel(self) -> str:
        """The attention kernel in use: fused or explicit."""
        first = self.stack[0]
        return "explicit" if first.attention.explicit or not (first.own or self.pe).fused else "fused"


def pool(x: Tensor, mask: Tensor | None) -> Tensor:
    """The mean over real tokens: (B, T, D) -> (B, D); zero where a sequence has none."""
    if mask is None:
        return x.mean(1)
    kept = mask.to(x.dtype)[..., None]  # (B, T, 1)
    return (x * kept).sum(1) / kept.sum(1).clamp(min=1)


class Makers(NamedTuple):
    """How the parts that a Config names are made, each for its layer."""

    norm: Callable[[], nn.Module]
    join: Callable[[int], Residual]
    encoding: Callable[[int], PositionEncoding]
    init: Callable[[], Init]


def makers(config: Config, max_len: int) -> Makers:
    """An encoding's random draws are made at (seed, layer, "pe")."""
    c = config
    sizes = {"dim": c.dim, "depth": c.depth, "branches": c.depth * (2 if hidden_of(c) else 1)}

    def norm() -> nn.Module:
        return parts.build("norm", c.norm.name, dim=c.dim, **c.norm.options)  # type: ignore[no-any-return]

    def join(layer: int) -> Residual:
        options = c.residual.options
        return parts.build("residual", c.residual.name, **sizes, layer=layer, norm=norm, **options)  # type: ignore[no-any-return]

    def encoding(layer: int) -> PositionEncoding:
        with torch_at(c.seed, layer, "pe"):
            return encoded(c, max_len)

    def init() -> Init:
        return parts.build("init", c.init.name, **sizes, **c.init.options)  # type: ignore[no-any-return]

    return Makers(norm, join, encoding, init)


def hidden_of(config: Config) -> int:
    """Hidden width of the feed-forward map; 0 where there is none."""
    return round(config.ff * config.dim)


def token_std(config: Config) -> float:
    """Standard deviation of the token vectors as drawn: embed_std, unless the initialisation has its own."""
    return makers(config, max_len=1).init().token_std(config.embed_std)


def drawn_from(config: Config) -> int:
    """From how many positions those of a sequence are drawn; 0 where they simply count."""
    options = config.pe.options
    return int(options.get("range", 2048)) if options.get("randomised") else 0


def encoded(config: Config, max_len: int) -> PositionEncoding:
    """The encoding with its own keys, adjusted by those that it has in common with others. Raises ValueError."""
    c, kind, options = config, parts.load("pe", config.pe.name), dict(config.pe.options)
    inner = {key: value for key, value in options.items() if key in parts.own_keys(kind)}
    reach, width = drawn_from(c) or max_len, options.get("dim") or c.dim
    if width > c.dim:
        raise ValueError(f"pe.dim={width} is more than dim={c.dim}")
    heads = c.heads if width == c.dim else 1
    made: PositionEncoding = parts.build("pe", c.pe.name, dim=width, heads=heads, max_len=max(reach, max_len), **inner)
    made.causal, made.randomised = c.causal, drawn_from(c) > 0
    matched = options.get("scale") == "matched"
    if width == c.dim and not matched:
        return made
    return Adjusted(made, dim=c.dim, width=width, energy=token_std(c) ** 2 if matched else None)


def try_parts(config: Config) -> None:
    """Makes each part once, for a sequence of one position. Raises ValueError for sizes that a part refuses."""
    make = makers(config, max_len=1)
    made = make.join(1), make.encoding(1), make.init()
    parts.build("attention", config.attention.name, **config.attention.options)
    sized = any(made[0].gain(role) != 1 for role in ("q", "k", "v", "o", "ff1", "ff2"))
    if sized and made[2].scales and config.init.name != config.residual.name:
        raise ValueError(
            f"residual={config.residual.name} sizes its branches by depth, and init={config.init.name} would once more;"
            " write init=default, xavier, small or orthogonal"
        )
    if made[2].scales and config.residual.options.get("beta"):
        raise ValueError(f"residual.beta would do nothing: init={config.init.name} has its own; write init=xavier")
    if config.init.name == "zero" and config.residual.name == "rezero":
        raise ValueError(
            "residual=rezero and init=zero both start every branch at zero, and then neither can move; write"
            " init=default"
        )
    if config.layer_drop and config.residual.name == "none":
        raise ValueError("layer_drop needs a skip connection: residual=none has none to go on with")
    if config.layer_drop and config.residual.name == "sandwich":
        raise ValueError("layer_drop does not go with residual=sandwich, which normalises what a branch is scaled by")
    if config.share_layers and made[0].profiled:
        raise ValueError(
            f"residual={config.residual.name} sizes every block by those before it; write share_layers=false"
        )
    options = config.pe.options
    if options.get("pretrain") and options.get("loss") == "none":
        raise ValueError("pe.pretrain needs pe.loss=order or pe.loss=smooth")
    if options.get("loss", "none") != "none" and not any(True for _ in made[1].parameters()):
        raise ValueError(
            f"pe.loss={options['loss']} needs an encoding with something to train, not pe={config.pe.name}"
        )


def build(
    config: Config, *, vocab: int, classes: int, max_len: int, every: bool = False, outputs: int = 1
) -> StackedAttention:
    """The stack that a Config describes, every tensor drawn from (seed, layer, name): layer 1 is the same at every
    depth. `every`: it gives `outputs` answers at every token. Raises ValueError for sizes that do not fit together."""
    c, make = config, makers(config, max_len)
    own = c.pe.options.get("layers", "own" if parts.load("pe", c.pe.name).per_layer else "shared") == "own"
    blocks = [_block(c, layer, make.join, make.encoding if own else None) for layer in range(1, c.depth + 1)]
    if c.share_layers:
        for block in blocks[1:]:
            share(blocks[0], block)
    scheme = parts.load("residual", c.residual.name)
    opening, closing = (make.norm() if wanted else None for wanted in (scheme.opening_norm, scheme.closing_norm))
    pe = PositionEncoding(dim=c.dim, heads=c.heads, max_len=max_len) if own else make.encoding(0)
    model = StackedAttention(
        vocab=vocab,
        classes=classes,
        dim=c.dim,
        pe=pe,
        blocks=blocks,
        opening=opening,
        closing=closing,
        dropout=c.dropout,
        every=every,
        outputs=outputs,
    )
    model.reach, model.seed = drawn_from(c), c.seed
    draw(model, make.init(), seed=c.seed, embed_std=c.embed_std, shared=c.share_layers)
    return model


def share(first: nn.Module, other: nn.Module) -> None:
    """Gives `other` the parameters of `first`, a block like it: one layer applied again, Dehghani et al. 2018,
    arXiv:1807.03819; Lan et al. 2019, arXiv:1909.11942. Running statistics stay its own."""
    for name, parameter in list(first.named_parameters(remove_duplicate=False)):
        path, _, leaf = name.rpartition(".")
        setattr(other.get_submodule(path), leaf, parameter)


@torch.no_grad()
def profile(model: StackedAttention, batch: Batch) -> None:
    """For residual schemes that are sized by what a first pass sees: that pass, in eval mode, on a batch of the
    training part, real tokens alone. Nothing where the scheme is none of them."""
    joins = [join for block in model.stack for join in block.joins() if join.profiled]
    if not joins:
        return
    seen: list[float] = []  # the variance of every branch

    def watch(join: nn.Module, inputs: tuple[Tensor, Branch, Tensor | None]) -> tuple[Tensor, Branch, Tensor | None]:
        x, branch, mask = inputs

        def watched(h: Tensor) -> Tensor:
            y = branch(h)
            seen.append(variance(y, mask))
            return y

        return x, watched, mask

    was, handles = model.training, [join.register_forward_pre_hook(watch) for join in joins]
    model.eval()
    model(batch.tokens, batch.mask, batch.pos, batch.tree)
    model.train(was)
    for handle in handles:
        handle.remove()
    for i, join in enumerate(joins):
        join.settle(sum(seen[:i]))


def variance(x: Tensor, mask: Tensor | None) -> float:
    """Over all numbers of the real tokens of (B, T, D)."""
    return float((x if mask is None else x[mask]).var(unbiased=False))


def build_for(config: Config, loaded: Loaded) -> StackedAttention:
    """The stack for a data set, with the word vectors that come with it: scaled so that the known ones have the root
    mean square of those that are drawn, which keeps their angles. Raises ValueError for vectors of another width than
    dim."""
    model = build(config, **loaded.sizes)
    weight = model.embedding.weight
    if loaded.vectors is not None and loaded.known is not None and loaded.known.any():
        rows = torch.from_numpy(loaded.vectors[loaded.known])
        if rows.shape[1] != config.dim:
            raise ValueError(
                f"the word vectors have {rows.shape[1]} numbers; write dim={rows.shape[1]}, not {config.dim}"
            )
        with torch.no_grad():
            weight[torch.from_numpy(loaded.known)] = rows * (token_std(config) / float(rows.square().mean().sqrt()))
    weight.requires_grad_(not loaded.frozen)
    return model


def _block(
    config: Config,
    layer: int,
    join: Callable[[int], Residual],
    encoding: Callable[[int], PositionEncoding] | None,
) -> Block:
    c, hidden = config, hidden_of(config)
    attention = Attention(
        dim=c.dim,
        heads=c.heads,
        causal=c.causal,
        pattern=parts.build("attention", c.attention.name, **c.attention.options),
        dropout=c.attention_dropout,
        explicit=c.kernel == "explicit",
    )
    return Block(
        attention=attention,
        join=join(layer),
        feed=FeedForward(dim=c.dim, hidden=hidden) if hidden else None,
        feed_join=join(layer) if hidden else None,
        own=encoding(layer) if encoding else None,
        dropout=c.dropout,
        layer_drop=c.layer_drop * layer / c.depth,
    )


@torch.no_grad()
def draw(model: StackedAttention, init: Init, *, seed: int, embed_std: float, shared: bool = False) -> None:
    """Draws every matrix, bias and token vector of the stack at its own address; of `shared` layers the first alone."""
    for layer, role, weight, bias in model.maps():
        if shared and layer > 1:
            continue
        with torch_at(seed, layer, role):
            init.weight(weight, role)
            if layer and not init.scales:
                weight.mul_(model.stack[layer - 1].gain(role))
        with torch_at(seed, layer, role, "bias"):
            init.bias(bias, role, weight.shape[1])
    with torch_at(seed, 0, "embedding"):
        init.embedding(model.embedding.weight, embed_std)


def matrices(model: nn.Module) -> Iterator[nn.Parameter]:
    """Parameters that weight decay reaches: the token vectors and the matrices of linear maps and convolutions. Not
    biases, gains, and other vectors or tables of them, such as those of positions."""
    for module in model.modules():
        whole = isinstance(module, nn.Linear | nn.Embedding | nn.Conv1d | nn.Conv2d)
        own = getattr(module, "maps", ())
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.dim() >= 2 and (whole or name in own):
                yield parameter


def flops(config: Config, model: StackedAttention, length: int) -> int:
    """Floating-point operations of a stack that is made: `closed_flops` with its own parts."""
    own = model.stack[0].own
    out, every = model.head.out_features, model.every
    return closed_flops(config, own or model.pe, own=own is not None, length=length, out=out, every=every)


def closed_flops(config: Config, encoding: PositionEncoding, *, own: bool, length: int, out: int, every: bool) -> int:
    """Floating-point operations (multiply-adds x 2) of the matrix products in one forward pass of one sequence of
    `length` tokens: per block 8 T D^2 + 4 T^2 D + 4 T D F, the encoding's, in each block where each has its `own` or
    all of its work is done there, and the classifier's 2 D `out`, at `every` token or once."""
    D, T, hidden = config.dim, length, hidden_of(config)
    block = 8 * T * D * D + 4 * T * T * D + 4 * T * D * hidden
    times = config.depth if own or encoding.every_block else 1
    return config.depth * block + times * encoding.flops(T) + 2 * D * out * (T if every else 1)


def count(model: StackedAttention) -> tuple[int, int]:
    """Trained parameters: all, and those of the token and position tables."""
    tables = [model.embedding.weight, *model.pe.parameters()]
    tables += [p for block in model.stack if block.own is not None for p in block.own.parameters()]
    once = {id(p): p for p in tables}  # layers may share one
    every, own = (sum(p.numel() for p in some if p.requires_grad) for some in (model.parameters(), once.values()))
    return every, own
