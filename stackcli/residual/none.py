"""No skip connection: branch(norm(x)); the stack of Dong et al. 2021, arXiv:2103.03404, whose rank collapses.

Pre-LN with the skip taken away and nothing else changed, so that the two can be compared.
"""

from torch import Tensor

from stackcli.residual.base import Branch, Residual


class NoSkip(Residual):
    """Only the branch goes on."""

    closing_norm = True

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        return branch(self.norm(x, mask))
