"""Fixed sparse attention, Child et al. 2019, sec. 4.3, arXiv:1904.10509: blocks, and columns that summarise them."""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.attention.base import Pattern, Pieces, cut_piece


class Fixed(Pattern):
    """A token sees its own block of `stride` tokens, and the last `summary` tokens of every block; if causal, only
    those before it. Raises ValueError if `summary` is larger than `stride`."""

    by_index = True

    def __init__(
        self, *, stride: Annotated[int, Ge(2), Le(100_000)] = 8, summary: Annotated[int, Ge(1), Le(100_000)] = 1
    ) -> None:
        if summary > stride:
            raise ValueError(f"attention.summary={summary} is more than attention.stride={stride}, the size of a block")
        super().__init__()
        self.stride, self.summary = stride, summary

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        same = query.div(self.stride, rounding_mode="floor") == key.div(self.stride, rounding_mode="floor")
        return same | (key % self.stride >= self.stride - self.summary)

    def cut(self, length: int, causal: bool, device: torch.device) -> Pieces | None:
        start = torch.arange(0, length, self.stride, device=device)
        own = start[:, None] + torch.arange(self.stride, device=device)  # (N, stride)
        last = own[:, self.stride - self.summary :]  # (N, summary)
        elsewhere = last.expand(len(start), *last.shape).clone()
        elsewhere[torch.arange(len(start)), torch.arange(len(start))] = -1  # a block's own are among its tokens
        keys = torch.cat((own, elsewhere.flatten(1)), dim=1)  # (N, stride + N summary)
        return Pieces((cut_piece(own, keys, self.sees, length=length, causal=causal),))
