"""Learned absolute position embedding, Gehring et al. 2017, sec. 3.1, arXiv:1705.03122 (BERT, GPT-2).

Parameters: max_len x D. Beyond the trained length: rows that training never used keep their initial random values;
positions from max_len on are refused.
"""

from collections.abc import Iterator
from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor, nn

from stackcli.pe.base import ADDITIVE, Context, PositionEncoding, check_reach


class Learned(PositionEncoding):
    """Adds a learned vector for each position to the token's vector.

    Raises ValueError in `embed` for a position outside 0 .. max_len - 1.
    """

    common = ADDITIVE
    beyond = "refused"

    def __init__(self, *, dim: int, heads: int, max_len: int, std: Annotated[float, Gt(0), Le(100)] = 0.05) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        self.table = nn.Parameter(torch.randn(max_len, dim) * std)  # (max_len, D)

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        check_reach(ctx.pos, self.max_len, "learned")
        return x + self.table[ctx.pos]

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        yield "table", torch.arange(self.max_len), self.table
