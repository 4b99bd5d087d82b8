"""Sandwich-LN: x + norm(branch(norm(x))), Ding et al. 2021 (CogView), fig. 3a and sec. 2.4, arXiv:2105.13290.

The size of what a branch adds does not depend on the size of its weights.
"""

from collections.abc import Callable

from torch import Tensor, nn

from stackcli.residual.base import Branch, Residual


class Sandwich(Residual):
    """Pre-LN with a second normalisation at the end of every branch; like pre-LN, the stack ends with one more."""

    closing_norm = True

    def __init__(self, *, dim: int, depth: int, branches: int, layer: int, norm: Callable[[], nn.Module]) -> None:
        super().__init__(dim=dim, depth=depth, branches=branches, layer=layer, norm=norm)
        self.outer_norm = norm()

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        added: Tensor = self.outer_norm(branch(self.norm(x, mask)), mask)
        return x + added
