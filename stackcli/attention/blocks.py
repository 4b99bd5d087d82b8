"""Window, global and random blocks, Zaheer et al. 2020, sec. 2, arXiv:2007.14062 (BigBird)."""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.attention.base import Pattern, Pieces, cut_piece
from stackcli.common.seeding import address


class Blocks(Pattern):
    """The sequence is cut into blocks of `block` tokens. A token sees its own block, `reach` blocks on each side, the
    first `globals` blocks, which see everything, and `random` blocks drawn for its block; if causal, only tokens before
    it.

    The random blocks are a function of (seed, layer, block), the same in training and in every evaluation. They are
    drawn among earlier blocks, where the paper draws among all: so they do not depend on the length of the sequence,
    and a text gets the same answer alone and in a padded batch.
    """

    def __init__(
        self,
        *,
        seed: int,
        layer: int,
        max_len: int,
        block: Annotated[int, Ge(1), Le(100_000)] = 4,
        reach: Annotated[int, Ge(0), Le(1000)] = 1,
        globals: Annotated[int, Ge(0), Le(1000)] = 1,
        random: Annotated[int, Ge(0), Le(1000)] = 1,
    ) -> None:
        super().__init__()
        self.seed, self.layer = seed, layer
        self.block, self.reach, self.first, self.random = block, reach, globals, random
        self.register_buffer("rows", self.draw(-(-max_len // block)), persistent=False)
        self.rows: Tensor

    def drawn(self, count: int) -> Tensor:
        """Returns the random blocks of each of `count` blocks, (count, random), -1 where there are not so many."""
        return self.rows[:count] if count <= len(self.rows) else self.draw(count).to(self.rows.device)

    def draw(self, count: int) -> Tensor:
        """Draws what `drawn` returns."""
        rows = torch.full((count, self.random), -1)
        for row in range(self.first + self.reach + 1, count):
            candidates = row - self.reach - self.first  # blocks from `first` on, before the window
            draw = torch.Generator().manual_seed(address(self.seed, self.layer, "attention", row))
            chosen = torch.randperm(candidates, generator=draw)[: self.random] + self.first
            rows[row, : len(chosen)] = chosen
        return rows

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        q, k = (at.div(self.block, rounding_mode="floor") for at in (query, key))
        near = ((q - k).abs() <= self.reach) | (q < self.first) | (k < self.first)
        rows = self.drawn(int(q.max()) + 1 if q.numel() else 0)[q.clamp(min=0)]  # (..., random)
        return near | (rows == k[..., None]).any(-1)

    def cut(self, length: int, causal: bool, device: torch.device) -> Pieces | None:
        count, g = -(-length // self.block), min(self.first * self.block, length)
        if count <= self.first:
            return None
        rows = torch.arange(self.first, count, device=device)
        near = rows[:, None] + torch.arange(-self.reach, (0 if causal else self.reach) + 1, device=device)
        near = near.masked_fill((near < self.first) | (near >= count), -1)
        first = torch.arange(self.first, device=device).expand(len(rows), -1)
        blocks = torch.cat((near, first, self.drawn(count)[rows]), dim=1)  # (N, seen blocks)
        within = torch.arange(self.block, device=device)
        keys = torch.where(blocks[..., None] < 0, -1, blocks[..., None] * self.block + within).flatten(1)
        queries = rows[:, None] * self.block + within
        every_pair = super().sees  # the keys of a piece were chosen block by block
        others = cut_piece(queries, keys, every_pair, length=length, causal=causal)
        if not g:
            return Pieces((others,))
        at, every = (torch.arange(n, device=device)[None] for n in (g, length))
        return Pieces((others, cut_piece(at, every, every_pair, length=length, causal=causal)))
