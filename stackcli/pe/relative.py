"""Relative position representations, Shaw et al. 2018, eq. 3 to 5, arXiv:1803.02155.

Parameters: 2 x (2 clip + 1) x E for each layer, shared by its heads. Beyond the trained length: exact, because all
offsets beyond `clip` share one vector. Needs the explicit kernel.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.pe._tables import draw_table, on_keys, on_near_keys, on_near_values, on_values
from stackcli.pe.base import INDEXED, Context, PositionEncoding, Work, consecutive, offsets

LONG = 96  # tokens


class Relative(PositionEncoding):
    """Adds a vector for the offset j - i, clipped to -clip .. clip, to key j (eq. 4) and value j (eq. 3) of query i.

    `tied`: keys and values share one table. `layers`: every layer has its own tables, as in the paper, or all layers
    share them. Raises ValueError if `keys` and `values` are both false.
    """

    per_layer = True
    common = INDEXED
    beyond = "exact"
    relative = True

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        max_len: int,
        clip: Annotated[int, Ge(0), Le(100_000)] = 16,
        keys: bool = True,
        values: bool = True,
        tied: bool = False,
        layers: Literal["own", "shared"] = "own",
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        if not (keys or values):
            raise ValueError("pe=relative needs pe.keys=true or pe.values=true; for neither write pe=none")
        self.clip = clip
        shape = (2 * clip + 1, dim // heads)
        self.key = draw_table(*shape) if keys else None  # (2 clip + 1, E)
        self.value = self.key if tied and keys and values else draw_table(*shape) if values else None

    def row(self, ctx: Context) -> Tensor:
        """Returns the row of the tables for each (query, key): (T, T) or (B, T, T)."""
        return offsets(ctx).clamp(-self.clip, self.clip) + self.clip

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor | None:
        if self.key is None:
            return None
        return on_near_keys(q, self.key, self.clip) if near(ctx) else on_keys(q, self.key, self.row(ctx))

    def mix(self, weights: Tensor, ctx: Context) -> Tensor | None:
        if self.value is None:
            return None
        if near(ctx):
            return on_near_values(weights, self.value, self.clip)
        return on_values(weights, self.value, self.row(ctx))

    def flops(self, length: int, work: Work) -> int:
        return 2 * work.queries * self.dim * (2 * self.clip + 1) * ((self.key is not None) + (self.value is not None))

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        at = torch.arange(-self.clip, self.clip + 1)
        yield from ((name, at, t) for name, t in (("keys", self.key), ("values", self.value)) if t is not None)


def near(ctx: Context) -> bool:
    """Whether positions are consecutive and so many that dividing the keys into near and far is faster."""
    return ctx.pos.shape[-1] >= LONG and consecutive(ctx)
