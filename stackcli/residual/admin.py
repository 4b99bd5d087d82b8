"""Admin: norm(x * omega + branch(x)), omega sized by a first pass, Liu et al. 2020, arXiv:2004.08249.

The two phases of the paper: a pass with every omega at 1, in which the variance of each branch is taken; then
omega_i = sqrt(1 + sum over j < i of Var[f_j(x_{j-1})]), a learned vector from there on.

The 1 is the stack's input. The paper's sum is without it, and so 0 for the first branch, which would cut the input off
from its skip; the authors' code starts from omega_1 = 1 and counts Var[x_0] in all sums. The code is taken, at its own
scale: its token vectors have variance 1, those drawn here embed_std^2, and a sum as small as that would shut the next
skips. The code also settles each omega within the pass, before the next branch is seen; there the paper is taken. The
pass is made in eval mode, and padding does not count.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from stackcli.residual.base import Branch, Residual


class Admin(Residual):
    """Post-LN whose skips weigh as much as all that they carry."""

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
