"""Post-LN: norm(x + branch(x)), Vaswani et al. 2017, sec. 3.1, arXiv:1706.03762."""

from torch import Tensor

from stackcli.residual.base import Branch, Residual


class Post(Residual):
    """The stream is normalised after every branch."""

    order = "post"

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        normed: Tensor = self.norm(x + branch(x), mask)
        return normed
