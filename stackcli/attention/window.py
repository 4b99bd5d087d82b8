"""Sliding window attention, Beltagy et al. 2020, sec. 3.1, arXiv:2004.05150: a token sees its neighbours only.

Work and memory grow with T x reach: scores are computed in blocks, never for all pairs. L blocks see L times as far as
one block.
"""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.attention.base import Pattern, Pieces, cut_piece, window_blocks


class Window(Pattern):
    """A token sees itself and `reach` tokens on each side; in causal attention only the tokens before it.

    `reach=r` is a window of (r, r) in FlashAttention, and of (r, 0) if causal; in Hugging Face's causal models it is
    `sliding_window=r+1`, which counts the token itself.
    """

    by_index = True

    def __init__(self, *, reach: Annotated[int, Ge(1), Le(100_000)] = 2) -> None:
        super().__init__()
        self.reach = reach

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        return (query - key).abs() <= self.reach

    def limits(self, length: int) -> bool:
        return self.reach < length - 1

    def cut(self, length: int, causal: bool, device: torch.device) -> Pieces | None:
        queries, keys = window_blocks(length, self.reach, causal, device)
        return Pieces((cut_piece(queries, keys, self.sees, length=length, causal=causal),))
