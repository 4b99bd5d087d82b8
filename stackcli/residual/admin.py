"""Admin: norm(x * omega + branch(x)), omega sized by a first pass, Liu et al. 2020, arXiv:2004.08249.

The paper has two phases: a pass with every omega at 1 measures the variance of each branch; then
omega_i = sqrt(1 + sum over j < i of Var[f_j(x_{j-1})]), which is a learned vector from then on.

The 1 stands for the stack's input. The paper's sum has no such term and is 0 for the first branch, which would remove
the input from its skip; the authors' code starts with omega_1 = 1 and includes Var[x_0] in all sums. Here the code is
followed, with its value of 1: its token vectors have variance 1, those drawn here embed_std^2, and so small a sum would
almost close the next skips. The code also sets each omega within the pass, before the next branch; there the paper is
followed. The pass is made in eval mode, and padding does not count.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from stackcli.residual.base import Branch, Residual


class Admin(Residual):
    """Post-LN whose skips are weighted by the variance that they carry."""

    profiled = True

    def __init__(self, *, dim: int, depth: int, branches: int, layer: int, norm: Callable[[], nn.Module]) -> None:
        super().__init__(dim=dim, depth=depth, branches=branches, layer=layer, norm=norm)
        self.omega = nn.Parameter(torch.ones(dim))  # (D,)

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        normed: Tensor = self.norm(x * self.omega + branch(x), mask)
        return normed

    @torch.no_grad()
    def settle(self, variance: float) -> None:
        self.omega.fill_(math.sqrt(1 + variance))
