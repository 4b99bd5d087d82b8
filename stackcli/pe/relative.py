"""Relative position representations, Shaw et al. 2018, eq. 3 to 5, arXiv:1803.02155.

Parameters: 2 x (2 clip + 1) x E a layer, shared by its heads. Beyond the trained length: exact, every offset beyond
`clip` being one; needs the explicit kernel.
"""

import math
from collections.abc import Iterator
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from stackcli.pe.base import Context, PositionEncoding, offsets


class Relative(PositionEncoding):
    """A vector for each offset j - i, clipped to -clip .. clip, added to key j (eq. 4) and value j (eq. 3) of query i.

    The queries meet the 2 clip + 1 key vectors once, and each pair picks its product; the weights are summed by offset
    before they meet the value vectors: memory is T x (2 clip + 1) and T x T, never T x T x E.
    Raises ValueError where neither keys nor values are wanted.
    """

    per_layer = True

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        max_len: int,
        clip: Annotated[int, Ge(0), Le(100_000)] = 16,
        keys: bool = True,
        values: bool = True,
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        if not (keys or values):
            raise ValueError("pe=relative needs pe.keys=true or pe.values=true; for neither write pe=none")
        self.clip = clip
        shape = (2 * clip + 1, dim // heads)
        bound = math.sqrt(6 / sum(shape))  # Xavier, as the authors' code
        self.key = nn.Parameter(torch.empty(shape).uniform_(-bound, bound)) if keys else None  # (2 clip + 1, E)
        self.value = nn.Parameter(torch.empty(shape).uniform_(-bound, bound)) if values else None

    def index(self, ctx: Context, like: Tensor) -> Tensor:
        """Row of the tables for each (query, key), expanded to the shape of `like` (B, H, T, T)."""
        row = offsets(ctx).clamp(-self.clip, self.clip) + self.clip  # (T, T) or (B, T, T)
        return (row if row.dim() == 2 else row[:, None]).expand(like.shape)

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor | None:
        if self.key is None:
            return None
        scores = (q / math.sqrt(q.shape[-1])) @ self.key.T  # (B, H, T, 2 clip + 1)
        return scores.gather(-1, self.index(ctx, scores[..., :1].expand(*q.shape[:-1], k.shape[-2])))

    def mix(self, weights: Tensor, ctx: Context) -> Tensor | None:
        if self.value is None:
            return None
        by_offset = weights.new_zeros(*weights.shape[:-1], 2 * self.clip + 1)
        return by_offset.scatter_add(-1, self.index(ctx, weights), weights) @ self.value  # (B, H, T, E)

    def flops(self, length: int) -> int:
        return 2 * length * self.dim * (2 * self.clip + 1) * ((self.key is not None) + (self.value is not None))

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        at = torch.arange(-self.clip, self.clip + 1)
        yield from ((name, at, t) for name, t in (("keys", self.key), ("values", self.value)) if t is not None)
