"""Shared by the tests of attention patterns: attention in loops, and the tokens that a token depends on."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from stackcli.common import registry
from stackcli.model.attention import Attention
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import Context, PositionEncoding
from tests.factory import padding

LENGTHS = [7, 4, 1]


def check_sums(
    name: str,
    reach: float,
    *,
    kernel: str,
    causal: bool,
    padded: bool,
    more: Sequence[float] = (0.0, 0.0),
    score: Sequence[float] = (),
) -> None:
    """Checks attention with two heads over sequences of up to 7 tokens against a softmax in loops. `more`: what each
    head adds to the denominator; `score`: the learned scores of its sinks."""
    D, H, E, T = 8, 2, 4, 7
    torch.manual_seed(0)
    own = {"heads": H} if name in ("softmax1", "sink") else {} if reach == math.inf else {"reach": int(reach)}
    pattern = registry.build_part("attention", name, **own)
    if score:
        pattern.score.data = torch.tensor(score, dtype=torch.float64)
    attention = Attention(dim=D, heads=H, causal=causal, pattern=pattern, dropout=0.0, explicit=kernel == "explicit")
    attention = attention.double().eval()
    x = torch.randn(3, T, D, dtype=torch.float64)
    lengths = LENGTHS if padded else [T] * 3
    ctx = Context(torch.arange(T), padding(lengths, T) if padded else None)
    pe = PositionEncoding(dim=D, heads=H, max_len=T)
    with torch.no_grad():
        out, qkv = attention(x, ctx, pe), attention.qkv(x)
        for b, n in enumerate(lengths):
            for i in range(n):
                seen = [j for j in range(n) if abs(i - j) <= reach and (j <= i or not causal)]
                heads = [_head(qkv[b], i, seen, slice(h * E, h * E + E), D, more[h]) for h in range(H)]
                assert (out[b, i] - attention.out(torch.cat(heads))).abs().max() < 1e-12, (b, i)
    assert out.isfinite().all()


def _head(qkv: Tensor, i: int, seen: list[int], own: slice, D: int, more: float) -> Tensor:
    """Returns the sum over visible tokens of exp(q_i k_j / sqrt(E)) v_j, divided by the sum of these factors."""
    q, k, v = (qkv[:, part * D : part * D + D][:, own] for part in range(3))
    factors = [math.exp(float(q[i] @ k[j]) / math.sqrt(q.shape[1])) for j in seen]
    total: Tensor = torch.stack([f * v[j] for f, j in zip(factors, seen, strict=True)]).sum(0) / (more + sum(factors))
    return total


def reached(model: StackedAttention, length: int, pos: Tensor | None = None) -> list[set[int]]:
    """Returns for every token t the tokens on which the output of the last block at t depends: those with a nonzero
    Jacobian."""
    torch.manual_seed(0)
    x = torch.randn(1, length, model.embedding.weight.shape[1], dtype=torch.float64, requires_grad=True)
    ctx = Context(torch.arange(length) if pos is None else pos, causal=model.stack[0].attention.causal)
    y = x
    for block in model.stack:
        y = block(y, ctx, model.pe)
    goal = torch.randn(y.shape[-1], dtype=torch.float64)
    slopes = [torch.autograd.grad(y[0, t] @ goal, x, retain_graph=True)[0][0] for t in range(length)]
    return [{s for s in range(length) if slope[s].any()} for slope in slopes]
