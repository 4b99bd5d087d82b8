"""No skip connection: branch(norm(x)); the stack of Dong et al. 2021, arXiv:2103.03404, whose rank collapses.

It is pre-LN without the skip and with no other change, so that the two can be compared.
"""

from torch import Tensor

from stackcli.residual.base import Branch, Residual


class NoSkip(Residual):
    """The stream is replaced by the output of the branch."""

    closing_norm = True

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        return branch(self.norm(x, mask))
