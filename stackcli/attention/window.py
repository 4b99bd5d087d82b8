"""Sliding window attention, Beltagy et al. 2020, sec. 3.1, arXiv:2004.05150: a token sees its neighbours only.

It is implemented as a mask, so it costs as much as full attention. L blocks see L times as far as one block.
"""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from stackcli.attention.base import Pattern


class Window(Pattern):
    """A token sees itself and `reach` tokens on each side; in causal attention only the tokens before it."""

    def __init__(self, *, reach: Annotated[int, Ge(1), Le(100_000)] = 2) -> None:
        self.reach = reach

    def allowed(self, length: int, device: torch.device) -> Tensor | None:
        if self.reach >= length - 1:
            return None
        at = torch.arange(length, device=device)
        return (at[:, None] - at[None, :]).abs() <= self.reach
