"""Pre-LN: x + branch(norm(x)), Xiong et al. 2020, fig. 1b, arXiv:2002.04745 (Baevski and Auli 2018, GPT-2)."""

from torch import Tensor

from stackcli.residual.base import Branch, Residual


class Pre(Residual):
    """The stream itself is not normalised, so the stack ends with one more normalisation."""

    closing_norm = True
    order = "pre"

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        return x + branch(self.norm(x, mask))
