"""Every kind of attention written out over all pairs of tokens, from its definition: the oracle of outputs and
gradients. Position encodings take part by their own hooks, which have oracles of their own.

Shapes: B batch, T tokens, D width, H heads, E = D / H.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from stackcli.attention.base import Pattern
from stackcli.attention.blocks import Blocks
from stackcli.model.attention import Attention
from stackcli.pe.base import Context, PositionEncoding

Heads = tuple[Tensor, Tensor, Tensor]  # q, k, v before rotation, (B, H, T, E) each

SEES: dict[str, Callable[[Any, int, int], bool]] = {
    "window": lambda p, i, j: abs(i - j) <= p.reach,
    "dilated": lambda p, i, j: (i - j) % p.gap == 0 and abs(i - j) <= p.gap * p.reach,
    "strided": lambda p, i, j: abs(i - j) < p.stride or (i - j) % p.stride == 0,
    "fixed": lambda p, i, j: i // p.stride == j // p.stride or j % p.stride >= p.stride - p.summary,
    "global": lambda p, i, j: abs(i - j) <= p.reach or i < p.tokens or j < p.tokens,
    "blocks": lambda p, i, j: (
        abs(i // p.block - j // p.block) <= p.reach
        or min(i, j) // p.block < p.first
        or j // p.block in p.rows[i // p.block]
    ),
    "hierarchical": lambda p, i, j: abs(i // p.chunk - j // p.chunk) <= 1,
    "conv": lambda p, i, j: abs(i - j) <= p.reach,
}


def _every(pattern: Any, i: int, j: int) -> bool:
    return True


def seen(name: str, pattern: Pattern, T: int) -> Tensor:
    """True if query i sees key j, (T, T); for `hierarchical`, if it sees the token itself and not a summary."""
    settings: dict[str, Any] = {key: value for key, value in vars(pattern).items() if isinstance(value, int)}
    if isinstance(pattern, Blocks):
        settings["rows"] = tuple(map(tuple, pattern.drawn(-(-T // pattern.block)).tolist()))
    return _seen(name, tuple(sorted(settings.items())), T)


@cache
def _seen(name: str, settings: tuple[tuple[str, Any], ...], T: int) -> Tensor:
    pattern, sees = SimpleNamespace(**dict(settings)), SEES.get(name, _every)
    return torch.tensor([[sees(pattern, i, j) for j in range(T)] for i in range(T)])


def attend(name: str, attention: Attention, x: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
    """The output of attention of a kind, (B, T, D) -> (B, T, D)."""
    real = torch.ones(x.shape[:2], dtype=torch.bool) if ctx.mask is None else ctx.mask
    x = x.masked_fill(~real[..., None], 0)
    pattern: Any = attention.pattern
    h = recurrent(pattern, x, real) if name == "recurrent" else x
    B, T, D = x.shape
    weight, bias = attention.qkv.weight, attention.qkv.bias
    q, k, v = (
        (h @ w.T + b).view(B, T, attention.heads, -1).transpose(1, 2)
        for w, b in zip(weight.chunk(3), bias.chunk(3), strict=True)
    )
    allowed = real[:, None, None, :].expand(B, 1, T, T)
    if attention.causal:
        allowed = allowed & torch.ones(T, T, dtype=torch.bool).tril()
    y = KINDS.get(name, masked)(attention, (q, k, v), allowed | torch.eye(T, dtype=torch.bool), ctx, pe, name)
    y = y.transpose(1, 2).reshape(B, T, D)
    if name == "gated":
        y = y / (1 + (-(x @ pattern.map.weight.T + pattern.map.bias)).exp())
    return y @ attention.out.weight.T + attention.out.bias


def softmax(scores: Tensor, allowed: Tensor, more: Tensor | None = None) -> Tensor:
    """exp(score) over the sum of those allowed, and of `more`, broadcastable to (B, H, T, 1)."""
    scores = scores.masked_fill(~allowed, -math.inf)
    high = scores.detach().amax(-1, keepdim=True)
    each = (scores - high).exp()
    return each / (each.sum(-1, keepdim=True) + (0 if more is None else (more - high).exp()))


def scores_of(q: Tensor, k: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
    found, bias = torch.einsum("bhie,bhje->bhij", q, k) / math.sqrt(q.shape[-1]), pe.bias(q, k, ctx)
    return found if bias is None else found + bias


def masked(
    attention: Attention, heads: Heads, allowed: Tensor, ctx: Context, pe: PositionEncoding, name: str
) -> Tensor:
    """Softmax over the tokens seen; for kinds that only change scores, weights or the denominator as well."""
    q, k, v = heads
    pattern: Any = attention.pattern
    q, k = pe.rotate(q, k, ctx)
    scores = scores_of(q, k, ctx, pe)
    if name == "talking":
        scores = torch.einsum("hg,bgij->bhij", pattern.before, scores)
    zero = torch.zeros(1, 1, 1, 1).to(q)
    more = zero if name == "softmax1" else pattern.score.view(1, -1, 1, 1) if name == "sink" else None
    weights = softmax(scores, allowed & seen(name, pattern, q.shape[2]), more)
    if name == "talking":
        weights = torch.einsum("hg,bgij->bhij", pattern.after, weights)
    mixed = pe.mix(weights, ctx)
    return weights @ v if mixed is None else weights @ v + mixed


def hierarchical(
    attention: Attention, heads: Heads, allowed: Tensor, ctx: Context, pe: PositionEncoding, name: str
) -> Tensor:
    """A far token has the key, the value and the position of its chunk: each token counts once in one softmax."""
    pattern: Any = attention.pattern
    q, k, v = heads
    B, _, T, _ = q.shape
    real = torch.ones(B, T, dtype=torch.bool) if ctx.mask is None else ctx.mask
    pos, middle = ctx.pos.expand(B, T), ctx.pos.expand(B, T).clone()
    means = [x.clone() for x in (k, v)]
    for b in range(B):
        for start in range(0, T, pattern.chunk):
            members = [t for t in range(start, min(start + pattern.chunk, T)) if real[b, t]]
            if members:
                middle[b, members] = pos[b, members[(len(members) - 1) // 2]]
                for mean, x in zip(means, (k, v), strict=True):
                    mean[b, :, members] = x[b, :, members].mean(1, keepdim=True)
    far = replace(ctx, pos=middle, queries=pos)
    _, key = pe.rotate(q, means[0], replace(ctx, pos=middle))
    q, k = pe.rotate(q, k, ctx)
    near = seen("hierarchical", pattern, T)
    scores = torch.where(near, scores_of(q, k, ctx, pe), scores_of(q, key, far, pe))
    weights = softmax(scores, allowed)
    close, distant = weights * near, weights * ~near
    y = close @ v + distant @ means[1]
    mixed = [pe.mix(close, ctx), pe.mix(distant, far)]
    return y if mixed[0] is None or mixed[1] is None else y + mixed[0] + mixed[1]


def conv(attention: Attention, heads: Heads, allowed: Tensor, ctx: Context, pe: PositionEncoding, name: str) -> Tensor:
    """Head h meets the keys of heads h - across .. h + across, as far as there are such heads, in one softmax."""
    pattern: Any = attention.pattern
    q, k, v = heads
    q, k = pe.rotate(q, k, ctx)
    H, steps = attention.heads, range(-pattern.across, pattern.across + 1)
    exists = torch.tensor([[0 <= h + step < H for h in range(H)] for step in steps])
    of_step = [[min(max(h + step, 0), H - 1) for h in range(H)] for step in steps]
    allowed = (allowed & seen("conv", pattern, q.shape[2])).expand(-1, H, -1, -1)
    scores = [scores_of(q, k[:, those], ctx, pe) for those in of_step]
    meets = [allowed & there[:, None, None] for there in exists]
    weights = softmax(torch.cat(scores, dim=-1), torch.cat(meets, dim=-1)).chunk(len(steps), dim=-1)
    y = torch.stack([w @ v[:, those] for w, those in zip(weights, of_step, strict=True)]).sum(0)
    mixed = pe.mix(torch.stack(weights).sum(0), ctx)
    return y if mixed is None else y + mixed


def linear(
    attention: Attention, heads: Heads, allowed: Tensor, ctx: Context, pe: PositionEncoding, name: str
) -> Tensor:
    q, k, v = heads
    phi = [torch.where(x > 0, x + 1, x.clamp(max=0).exp()) for x in (q, k)]
    products = torch.einsum("bhie,bhje->bhij", *phi) * real_keys(allowed, ctx)
    return products / products.sum(-1, keepdim=True).clamp(min=1e-30) @ v


def real_keys(allowed: Tensor, ctx: Context) -> Tensor:
    return allowed if ctx.mask is None else allowed & ctx.mask[:, None, None, :]


def lowrank(
    attention: Attention, heads: Heads, allowed: Tensor, ctx: Context, pe: PositionEncoding, name: str
) -> Tensor:
    pattern: Any = attention.pattern
    q, k, v = heads
    T = q.shape[2]
    real = torch.ones(len(q), T).to(q) if ctx.mask is None else ctx.mask.to(q)
    keys = torch.einsum("rt,bt,bhte->bhre", pattern.keys[:, :T], real, k)
    values = torch.einsum("rt,bt,bhte->bhre", pattern.values[:, :T], real, v)
    scores = torch.einsum("bhie,bhre->bhir", q, keys) / math.sqrt(q.shape[-1])
    return softmax(scores, torch.ones_like(scores, dtype=torch.bool)) @ values


def recurrent(pattern: Any, x: Tensor, real: Tensor) -> Tensor:
    """The states of gated recurrent units, written out for all texts at once; padding keeps the state of the token
    before it, and has zeros itself."""
    halves, T = [], x.shape[1]
    for unit, order in zip(pattern.units, (range(T), range(T)[::-1]), strict=False):
        w, u, c, d = (getattr(unit, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        state, states = x.new_zeros(len(x), unit.hidden_size), [x] * T
        for t in order:
            (r, z, n), (hr, hz, hn) = ((a @ m.T + o).chunk(3, -1) for a, m, o in ((x[:, t], w, c), (state, u, d)))
            r, z = (r + hr).sigmoid(), (z + hz).sigmoid()
            state = torch.where(real[:, t, None], (1 - z) * (n + r * hn).tanh() + z * state, state)
            states[t] = state.masked_fill(~real[:, t, None], 0)
        halves.append(torch.stack(states, dim=1))
    return torch.cat(halves, dim=-1)


KINDS = {"hierarchical": hierarchical, "conv": conv, "linear": linear, "lowrank": lowrank}
