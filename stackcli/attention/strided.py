"""Strided sparse attention, Child et al. 2019, sec. 4.3, arXiv:1904.10509: a window, and every `stride`-th token.

With a stride near the square root of T, two blocks connect any two tokens, and the work grows with T^1.5.
"""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.attention.base import Pattern, Pieces, cut_piece, window_blocks


class Strided(Pattern):
    """A token sees the `stride - 1` tokens on each side and every token at a multiple of `stride` from it; if causal,
    only those before it. The paper gives both sets to one head ("merged heads"), as here, or one to each."""

    by_index = True

    def __init__(self, *, stride: Annotated[int, Ge(2), Le(100_000)] = 8) -> None:
        super().__init__()
        self.stride = stride

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        return self.near(query, key) | self.far(query, key)

    def near(self, query: Tensor, key: Tensor) -> Tensor:
        return (query - key).abs() < self.stride

    def far(self, query: Tensor, key: Tensor) -> Tensor:
        offset = query - key
        return (offset % self.stride == 0) & (offset != 0)

    def cut(self, length: int, causal: bool, device: torch.device) -> Pieces | None:
        queries, keys = window_blocks(length, self.stride - 1, causal, device)
        column = torch.arange(self.stride, device=device)[:, None]
        rows = column + self.stride * torch.arange(-(-length // self.stride), device=device)  # (stride, T / stride)
        near = cut_piece(queries, keys, self.near, length=length, causal=causal)
        return Pieces((near, cut_piece(rows, rows, self.far, length=length, causal=causal)), merged=True)
