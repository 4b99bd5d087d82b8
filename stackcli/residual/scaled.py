"""Scaled residual: x + branch(norm(x)) / sqrt(branches of the stack), after Noci et al. 2022, sec. 3, arXiv:2206.03126.

They show that with branches of order 1/sqrt(L) the stream keeps its size at any depth and tokens stay distinct, so that
the gradients of queries and keys do not vanish. Only that order is used here: their theory has no normalisation, while
this branch is that of pre-LN. The constant counts branches, 2 for each block (1 if ff=0), as in De and Smith 2020,
arXiv:2002.10444, for residual networks: branches of equal variance then add that variance once in total, at any depth.

Tokens stay distinct only if they are at least as large as what the branches add, which has size 1. Token vectors of
size 0.05, the default of `embed_std`, would be too small. So the input of block 1 is normalised (`norm`); with
norm=none set embed_std=1.
"""

import math
from collections.abc import Callable

from torch import Tensor, nn

from stackcli.residual.base import Branch, Residual


class Scaled(Residual):
    """Pre-LN with every branch divided by the same constant, which is not learned, on normalised token vectors."""

    opening_norm = True
    closing_norm = True

    def __init__(self, *, dim: int, depth: int, branches: int, layer: int, norm: Callable[[], nn.Module]) -> None:
        super().__init__(dim=dim, depth=depth, branches=branches, layer=layer, norm=norm)
        self.scale = 1 / math.sqrt(branches)

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        return x + self.scale * branch(self.norm(x, mask))
