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

from stackcli.pe._counts import add_at_counts
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

    def numbers(self, q: Tensor) -> Tensor:
        """Returns q . e / sqrt(E) at the whole places of `AddAtCounts`, (B, H, T, W). No sum exceeds T."""
        after, before = (table[: q.shape[-2] + 1] for table in (self.after, self.before))
        tables = torch.cat((after[-1:], after.flip(0), before, before[-1:]))  # (W, E)
        found: Tensor = (q / math.sqrt(q.shape[-1])) @ tables.T
        return found

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)
        return add_at_counts(scores, self.numbers(q), ctx.mask, causal=ctx.causal, inside=False)

    def add_bias(self, scores: Tensor, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        return add_at_counts(scores, self.numbers(q), ctx.mask, causal=ctx.causal, inside=True)

    def flops(self, length: int, work: Work) -> int:
        return 2 * length * self.dim * 2 * (min(len(self.before), length + 1) + 1)

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        at = torch.arange(len(self.before))
        yield "before", at, self.before
        yield "after", at, self.after
