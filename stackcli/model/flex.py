"""Attention by PyTorch's FlexAttention, Dong et al. 2024, arXiv:2412.05496: `kernel=flex`, on CUDA only.

The bias of an encoding and the mask of a kind of attention are compiled into one kernel, as functions of the indices of
a query and a key: no score is stored, blocks of pairs that the mask excludes are left out, and a learned bias gets its
gradient. `kernel=auto` does not choose it, because it was not measured on a GPU yet; its numbers were compared with the
explicit kernel on a CPU only, uncompiled.

PyTorch does not write the kernel for a CPU with a backward pass, and none with dropout of attention weights. Gradients
of queries, keys and values should be summed in a fixed order, which was not tested. Those of a learned bias are summed
by atomic additions in no fixed order, even with `torch.use_deterministic_algorithms`, so a repeated run with t5, kerple
or fire may differ in its last bits (pytorch/pytorch#137452).

Shapes: B batch, T positions, H heads, E = D / H.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from stackcli.attention.base import Pattern
from stackcli.config.settings import Config
from stackcli.model.attention import Attention, bias_of
from stackcli.pe.base import Context, PositionEncoding, consecutive

Index = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # (sequence, head, query, key) -> a value
INSTEAD = "kernel=auto"
LEAST = 16  # smallest E that the kernel of PyTorch takes


class FlexAttention(Attention):
    """Multi-head self-attention by FlexAttention; off CUDA, and where diagnostics record the weights, by the kernels of
    `Attention`."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor, ctx: Context, pe: PositionEncoding) -> Tensor:
        if self.explicit or not is_usable(q.device):
            return super().attend(q, k, v, ctx, pe)
        q, k = pe.rotate(q, k, ctx)
        mask = ctx.keep((id(self.pattern), "flex"), lambda: block_mask(self.pattern, q, causal=self.causal))
        y: Tensor = compiled_kernel()(q, k, v, score_mod=score_change(pe, q, k, ctx), block_mask=mask)
        return y

    def kernel(self, pe: PositionEncoding) -> str:
        return "explicit" if self.explicit else "flex"


def is_usable(device: torch.device) -> bool:
    """Returns whether the kernel exists for a device."""
    return device.type == "cuda"


@cache
def compiled_kernel() -> Any:
    """Returns the compiled kernel, one for all lengths."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=True)


def block_mask(pattern: Pattern, q: Tensor, *, causal: bool) -> Any:
    """Returns which blocks of pairs are computed, the same for all sequences and heads, by the pattern and the causal
    mask; None for all. Takes T x T truth values while it is made, and keeps them for a pattern that is not
    `by_index`."""
    from torch.nn.attention.flex_attention import create_block_mask

    length = q.shape[-2]
    table = None if pattern.by_index else pattern.allowed(length, q.device)
    limited = pattern.limits(length)
    if not limited and not causal:
        return None

    def sees(b: Tensor, h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        past = key <= query
        if not limited:
            return past
        seen = pattern.sees(query, key) if table is None else table[query, key]
        return seen & past if causal else seen

    return create_block_mask(sees, None, None, length, length, device=q.device)


def score_change(pe: PositionEncoding, q: Tensor, k: Tensor, ctx: Context) -> Any:
    """Returns the function that adds the bias to a score and excludes padding; None where neither is needed. A padding
    token sees itself, so that no softmax is empty."""
    bias, real = index_bias(pe, q, k, ctx), ctx.mask
    if bias is None and real is None:
        return None

    def change(score: Tensor, b: Tensor, h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        if bias is not None:
            score = score + bias(b, h, query, key)
        if real is not None:
            score = torch.where(real[b, key] | (query == key), score, -math.inf)
        return score

    return change


def index_bias(pe: PositionEncoding, q: Tensor, k: Tensor, ctx: Context) -> Index | None:
    """Returns the bias of a pair: from a table by offset, (H, 2 T - 1), if it depends on offsets only and positions are
    consecutive; else from one by pair, (1 or B, H, T, T). None without a bias."""
    if not has_bias(pe):
        return None
    if depends_on_offsets(pe) and ctx.keep("consecutive", lambda: consecutive(ctx)):
        rows = ctx.keep((id(pe), "offsets", q.dtype), lambda: bias_by_offset(pe, q, causal=ctx.causal))
        middle = torch.tensor(q.shape[-2] - 1, device=q.device)  # as a number it would be compiled in for each length
        return lambda b, h, query, key: rows[h, key - query + middle]
    found = bias_of(pe, q, k, ctx)
    if found is None:
        return None
    if found.dim() == 4:
        pairs = found.expand(len(q), q.shape[1], -1, -1)
        return lambda b, h, query, key: pairs[b, h, query, key]
    shared = found.expand(q.shape[1], -1, -1)
    return lambda b, h, query, key: shared[h, query, key]


def has_bias(pe: PositionEncoding) -> bool:
    """Returns whether the encoding adds a bias to scores."""
    return type(pe).bias is not PositionEncoding.bias


def depends_on_offsets(pe: PositionEncoding) -> bool:
    """Returns whether the bias is a function of the offset between two positions, at all positions."""
    return pe.bias_of_positions and pe.relative and pe.beyond == "exact"


def bias_by_offset(pe: PositionEncoding, like: Tensor, *, causal: bool) -> Tensor:
    """Returns the bias of a key at offsets -(T - 1) .. T - 1 from a query, (H, 2 T - 1). like: (B, H, T, E)."""
    length = like.shape[-2]
    pos = torch.arange(2 * length - 1, device=like.device)[None]
    one = like.new_zeros(1, 1, like.shape[1], 1, 1)  # a piece of sparse attention with one query
    found = pe.bias(one, one, Context(pos, causal=causal, queries=pos[:, length - 1 : length]))
    assert found is not None
    return found.flatten(0, -4)[0, :, 0].expand(like.shape[1], -1)


def check_flex(config: Config, encoding: PositionEncoding, pattern: Pattern, *, pe: str, attention: str) -> None:
    """Raises ValueError for settings of a layer that `kernel=flex` does not compute."""
    if config.device != "cuda":
        raise ValueError(
            f"kernel=flex needs device=cuda: PyTorch's FlexAttention has no backward pass on device={config.device};"
            f" write {INSTEAD}"
        )
    if config.attention_dropout:
        raise ValueError(f"kernel=flex has no dropout of attention weights; write attention_dropout=0, or {INSTEAD}")
    if config.dim // config.heads < LEAST:
        raise ValueError(
            f"kernel=flex needs heads of {LEAST} dimensions or more, and dim={config.dim} heads={config.heads} gives"
            f" {config.dim // config.heads}; write {INSTEAD}"
        )
    if not pattern.scored or pattern.extends or not pattern.fused or pattern.sink() is not None:
        raise ValueError(f"kernel=flex does not compute attention={attention}; write {INSTEAD}")
    learned_bias = encoding.bias_of_positions and type(encoding).mix is PositionEncoding.mix
    if not (encoding.fused or learned_bias):
        raise ValueError(f"kernel=flex does not compute pe={pe}, which reads the tokens in every pair; write {INSTEAD}")
