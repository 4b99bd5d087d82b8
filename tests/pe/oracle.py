"""Shared by the tests of encodings: a bias computed by loops, and positions of every kind."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from stackcli.pe.base import Context, PositionEncoding

B, H, T, E = 2, 4, 7, 4
D = H * E
POSITIONS = {
    "consecutive": torch.arange(T),
    "shifted": torch.arange(T) + 20,
    "skipped": torch.tensor([0, 2, 3, 9, 10, 30, 31]),
    "by sequence": torch.stack((torch.arange(T), torch.arange(T) * 3)),
}


def heads(n: int, seed: int = 1, length: int = T) -> tuple[Tensor, ...]:
    """Returns n random tensors (B, H, T, E) in float64."""
    return tuple(torch.randn(n, B, H, length, E, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))


def each_bias(pe: PositionEncoding, ctx: Context, one: Callable[[int, int, int], float], q: Tensor, k: Tensor) -> float:
    """Returns the largest difference between the encoding's bias and `one(head, query position, key position)`."""
    found = pe.bias(q, k, ctx)
    assert found is not None
    found = found.expand(B, H, T, T)
    worst = 0.0
    for b in range(B):
        pos = (ctx.pos if ctx.pos.dim() == 1 else ctx.pos[b]).tolist()
        for h in range(H):
            for i in range(T):
                for j in range(T):
                    expected, got = one(h, pos[i], pos[j]), float(found[b, h, i, j])
                    if math.isinf(expected) or math.isinf(got):
                        assert expected == got
                    else:
                        worst = max(worst, abs(expected - got))
    return worst
