"""Convolutional self-attention, Yang et al. 2019, arXiv:1904.03107: a window over tokens and over heads."""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.attention.base import Extended, Pattern, Piece, Pieces, Rotate, cut_piece, window_blocks


class Conv(Pattern):
    """A head sees `reach` tokens on each side (if causal, before a token only), of its own keys and values and of those
    of `across` heads on each side, in one softmax. Heads beyond the first and the last do not exist.

    In the paper's words the window has 2 reach + 1 tokens and 2 across + 1 heads; `across=0` is its 1D form, which is
    `attention=window`. An encoding's bias is that of the query's head.
    """

    def __init__(
        self,
        *,
        heads: int,
        reach: Annotated[int, Ge(1), Le(100_000)] = 2,
        across: Annotated[int, Ge(0), Le(1024)] = 1,
    ) -> None:
        super().__init__()
        self.reach, self.across = reach, min(across, heads - 1)
        self.extends = self.across > 0

    @property
    def steps(self) -> list[int]:
        """From a head to those that it sees, its own first."""
        return sorted(range(-self.across, self.across + 1), key=abs)

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        return (query - key).abs() <= self.reach

    def pairs(self, length: int) -> int:
        return len(self.steps) * length**2

    def extend(self, q: Tensor, k: Tensor, v: Tensor, pos: Tensor, mask: Tensor | None, rotate: Rotate) -> Extended:
        q, k = rotate(q, k, pos, mask)
        H, T, steps = q.shape[1], q.shape[2], self.steps
        k, v = (torch.cat([x.roll(-step, dims=1) for step in steps], dim=2) for x in (k, v))
        there = torch.tensor([[0 <= head + step < H for step in steps] for head in range(H)], device=q.device)
        added = torch.zeros_like(there, dtype=q.dtype).masked_fill(~there, -torch.inf).repeat_interleave(T, dim=1)
        times = (1,) * (pos.dim() - 1) + (len(steps),)
        mask = None if mask is None else mask.repeat(1, len(steps))
        return Extended(q, k, v, pos.repeat(times), mask, added[None])

    def fold(self, weights: Tensor, mask: Tensor | None) -> Tensor:
        return weights.view(*weights.shape[:-1], len(self.steps), -1).sum(-2)

    def cut(self, length: int, causal: bool, device: torch.device) -> Pieces | None:
        queries, keys = window_blocks(length, self.reach, causal, device)
        return Pieces((self.over_heads(cut_piece(queries, keys, self.sees, length=length, causal=causal), length),))

    def whole(self, length: int, causal: bool, device: torch.device) -> Pieces:
        every = torch.arange(length, device=device)[None]
        return Pieces((self.over_heads(cut_piece(every, every, self.sees, length=length, causal=causal), length),))

    def over_heads(self, piece: Piece, length: int) -> Piece:
        """Repeats the keys of a piece for every head that is seen."""
        first = length * torch.arange(len(self.steps), device=piece.keys.device)
        keys = (first[:, None] + piece.keys[:, None]).flatten(1)
        return piece._replace(keys=keys, allowed=piece.allowed.repeat(1, 1, len(self.steps)))
