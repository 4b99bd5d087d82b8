"""Dilated sliding window, Beltagy et al. 2020, sec. 3.1, arXiv:2004.05150: a window with gaps, which sees farther."""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.attention.base import Pattern, Pieces, cut_piece, window_blocks


class Dilated(Pattern):
    """A token sees itself and every `gap`-th token up to `reach` of them on each side; if causal, only before it.

    Tokens whose places differ by a multiple of `gap` form a sequence of their own, and each of these has a window.
    """

    by_index = True

    def __init__(
        self, *, reach: Annotated[int, Ge(1), Le(100_000)] = 2, gap: Annotated[int, Ge(1), Le(100_000)] = 2
    ) -> None:
        super().__init__()
        self.reach, self.gap = reach, gap

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        offset = query - key
        return (offset % self.gap == 0) & (offset.abs() <= self.reach * self.gap)

    def cut(self, length: int, causal: bool, device: torch.device) -> Pieces | None:
        own = -(-length // self.gap)  # tokens of the longest of the `gap` sequences
        queries, keys = window_blocks(own, self.reach, causal, device)
        first = torch.arange(self.gap, device=device)[:, None, None]
        queries, keys = ((first + self.gap * at).flatten(0, 1) for at in (queries, keys))  # (gap N, b) and (gap N, K)
        return Pieces((cut_piece(queries, keys, self.sees, length=length, causal=causal),))
