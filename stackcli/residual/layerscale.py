"""LayerScale: x + diag(lambda) branch(norm(x)), Touvron et al. 2021 (CaiT), sec. 2 and fig. 1d, arXiv:2103.17239.

lambda has one number for each dimension, which starts at 0.1 in stacks of up to 18 blocks, at 1e-5 with 24 blocks, and
at 1e-6 in deeper stacks. The paper names no value for 19 to 23 blocks; here they start at 1e-5.
"""

from collections.abc import Callable
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from stackcli.residual.base import Branch, Residual


class LayerScale(Residual):
    """Pre-LN whose branches start close to zero. `start`: initial lambda; 0: the paper's value for the depth."""

    closing_norm = True

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        branches: int,
        layer: int,
        norm: Callable[[], nn.Module],
        start: Annotated[float, Ge(0), Le(1e6)] = 0.0,
    ) -> None:
        super().__init__(dim=dim, depth=depth, branches=branches, layer=layer, norm=norm)
        paper = 0.1 if depth <= 18 else 1e-5 if depth <= 24 else 1e-6
        self.scale = nn.Parameter(torch.full((dim,), start or paper))  # (D,)

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        return x + self.scale * branch(self.norm(x, mask))
