"""DeepNorm: norm(alpha x + branch(x)) and smaller first weights, Wang et al. 2022, fig. 2, arXiv:2203.00555.

The form for encoder-only models, which is also that for decoder-only models: alpha = (2 N)^(1/4), and the matrices
drawn for v, o, ff1 and ff2 are multiplied by beta = (8 N)^(-1/4), those for q and k are not. N is the depth in blocks,
also if ff=0.

The paper applies beta as a gain of Xavier's initialisation: that is init=xavier, or init=deepnorm, which already has
these gains. Any other init is multiplied by beta. The paper draws from a normal distribution, init=xavier from a
uniform one with the same variance.
"""

from collections.abc import Callable
from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn

from stackcli.residual.base import Branch, Residual


class DeepNorm(Residual):
    """Post-LN with a weighted skip. `alpha`, `beta`: 0 for the paper's values; with both 1 it is post-LN."""

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        branches: int,
        layer: int,
        norm: Callable[[], nn.Module],
        alpha: Annotated[float, Ge(0), Le(1e6)] = 0.0,
        beta: Annotated[float, Ge(0), Le(1e6)] = 0.0,
    ) -> None:
        super().__init__(dim=dim, depth=depth, branches=branches, layer=layer, norm=norm)
        self.alpha = alpha or (2 * depth) ** 0.25
        self.beta = beta or (8 * depth) ** -0.25

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        normed: Tensor = self.norm(self.alpha * x + branch(x), mask)
        return normed

    def gain(self, role: str) -> float:
        return 1.0 if role in ("q", "k") else self.beta
