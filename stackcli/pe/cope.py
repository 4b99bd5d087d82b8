"""Contextual position encoding (CoPE), Golovneva et al. 2024, eq. 3 to 6, arXiv:2405.18719.

Parameters: 2 x positions x E for each layer, shared by its heads. Beyond the trained length: exact, because all counts
from `positions` - 1 on share one vector. Needs the explicit kernel.
"""

import math
from collections.abc import Iterator
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from stackcli.pe.base import Context, PositionEncoding, Work


class Cope(PositionEncoding):
    """Adds q_i . e[position] / sqrt(E) to the score of query i and key j. The position is the sum of the gates
    sigmoid(q_i . k_t / sqrt(E)) from j to i, and e is interpolated between the two nearest whole positions.

    Gates use the scaled scores, as in the authors' code. That code leaves q . e unscaled; here both are scaled, as in
    the paper's formula. The paper is causal. In an encoder, gates of keys after the query are summed from i to j, and
    these keys have a table of their own. Sums are limited to `positions` - 1. Only the order of tokens matters, not the
    positions in `ctx`.
    """

    per_layer = True
    beyond = "exact"
    relative = True

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        max_len: int,
        positions: Annotated[int, Ge(2), Le(100_000)] = 64,
        std: Annotated[float, Gt(0), Le(100)] = 0.05,
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        self.before = nn.Parameter(torch.randn(positions, dim // heads) * std)  # (P, E)
        self.after = nn.Parameter(torch.randn(positions, dim // heads) * std)

    @property
    def by_pairs(self) -> bool:
        return False  # a count is a sum over all keys between the two

    def counts(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        """Returns the sum of gates from each key to its query, both included, (B, H, T, T)."""
        gate = ((q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)).sigmoid()
        if ctx.mask is not None:
            gate = gate * ctx.mask[:, None, None, :]
        through = sum_in_chunks(gate) if gate.is_cuda else gate.cumsum(-1)  # gates 0 .. j
        own = through.diagonal(dim1=-2, dim2=-1)[..., None]  # gates 0 .. i
        upto = through - gate  # gates 0 .. j - 1
        before_own = upto.diagonal(dim1=-2, dim2=-1)[..., None]
        return torch.where(_after(q), through - before_own, own - upto)

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        rows = len(self.before)
        at = self.counts(q, k, ctx).clamp(max=rows - 1)
        low = at.detach().long().clamp(max=max(rows - 2, 0))  # the whole position below; the last has none above it
        tables = torch.cat((self.before, self.after))  # (2 P, E)
        products = (q / math.sqrt(q.shape[-1])) @ tables.T  # (B, H, T, 2 P)
        row = low + rows * _after(q)
        here, above = (products.gather(-1, r) for r in (row, row + 1))
        return torch.lerp(here, above, at - low)

    def flops(self, length: int, work: Work) -> int:
        return 2 * length * self.dim * 2 * len(self.before) + 2 * length**2 * self.dim

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        at = torch.arange(len(self.before))
        yield "before", at, self.before
        yield "after", at, self.after


def sum_in_chunks(x: Tensor, width: int = 64) -> Tensor:
    """Computes x.cumsum(-1) by matrix products, since `cumsum` on CUDA is not deterministic: (..., T) -> (..., T)."""
    padded = nn.functional.pad(x, (0, -x.shape[-1] % width))
    chunks = padded.view(*x.shape[:-1], -1, width)  # (..., N, width)
    upto = x.new_ones(width, width).triu()
    earlier = chunks.sum(-1) @ x.new_ones(chunks.shape[-2], chunks.shape[-2]).triu(1)  # (..., N)
    found: Tensor = (chunks @ upto + earlier[..., None]).flatten(-2)[..., : x.shape[-1]]
    return found


def _after(q: Tensor) -> Tensor:
    """Returns True for keys after the query, (T, T)."""
    T = q.shape[-2]
    return torch.ones(T, T, dtype=torch.bool, device=q.device).triu(1)
