"""ReZero: x + g branch(x), g learned and 0 at first, Bachlechner et al. 2020, eq. 1, arXiv:2003.04887.

It has no normalisation anywhere, so it needs norm=none. Self-attention and feed-forward map of a block share one g, as
in the paper's Transformer and in the authors' code.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from stackcli.residual.base import Branch, Residual


class ReZero(Residual):
    """The stack starts as the identity, and at first only the gates have a gradient."""

    needs: ClassVar[Mapping[str, str]] = {"norm": "none"}

    def __init__(self, *, dim: int, depth: int, branches: int, layer: int, norm: Callable[[], nn.Module]) -> None:
        super().__init__(dim=dim, depth=depth, branches=branches, layer=layer, norm=nn.Identity)
        self.gate = nn.Parameter(torch.zeros(()))

    def pair(self, first: Residual) -> None:
        assert isinstance(first, ReZero)
        self.gate = first.gate

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        return x + self.gate * branch(x)
