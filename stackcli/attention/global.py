"""Window and global tokens, Beltagy et al. 2020, sec. 3.1, arXiv:2004.05150 (Longformer).

The first tokens see every token, and every token sees them, so that two blocks connect any two tokens.
"""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.attention.base import Pattern, Pieces, cut_piece, window_blocks


class Global(Pattern):
    """A token sees `reach` tokens on each side and the first `tokens` tokens, and those see every token; if causal,
    only tokens before them. Longformer gives global tokens projections of their own; here they share those of all."""

    by_index = True

    def __init__(
        self, *, reach: Annotated[int, Ge(1), Le(100_000)] = 2, tokens: Annotated[int, Ge(1), Le(100_000)] = 1
    ) -> None:
        super().__init__()
        self.reach, self.tokens = reach, tokens

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        return ((query - key).abs() <= self.reach) | (query < self.tokens) | (key < self.tokens)

    def cut(self, length: int, causal: bool, device: torch.device) -> Pieces | None:
        g = min(self.tokens, length)
        queries, keys = window_blocks(length - g, self.reach, causal, device)
        first, every = torch.arange(g, device=device)[None], torch.arange(length, device=device)[None]
        if length == g:
            return None
        keys = torch.where(keys < 0, -1, keys + g)  # the first are beside the window, not in it
        keys = torch.cat((keys, first.expand(len(keys), -1)), dim=1)
        others = cut_piece(queries + g, keys, self.sees, length=length, causal=causal)
        return Pieces((others, cut_piece(first, every, self.sees, length=length, causal=causal)))
