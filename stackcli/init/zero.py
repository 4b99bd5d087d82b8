"""Zero-initialised branches, Goyal et al. 2017, sec. 5.1, arXiv:1706.02677, and Zhang et al. 2019, arXiv:1901.09321.

The last map of each branch, `o` or `ff2`, starts with zero weights and biases, so that with residual=pre every block
starts as the identity; everything else is drawn as in init=default. Goyal et al. set the gain of the last norm of a
branch to zero, which is the same at the start. Zhang et al. set the branch's last map to zero, and the classifier too,
which is not done here.
"""

import math

from torch import Tensor

from stackcli.init.base import Init


class Zero(Init):
    """The head is drawn as in `torch.nn.Linear`. Token vectors use embed_std."""

    def weight(self, tensor: Tensor, role: str) -> None:
        self.fill(tensor, role, tensor.shape[1])

    def bias(self, tensor: Tensor, role: str, fan_in: int) -> None:
        self.fill(tensor, role, fan_in)

    def fill(self, tensor: Tensor, role: str, fan_in: int) -> None:
        """Fills a tensor with uniform numbers within 1/sqrt(fan in), or with zeros at the end of a branch."""
        bound = 0.0 if role in ("o", "ff2") else 1 / math.sqrt(fan_in)
        tensor.uniform_(-bound, bound)
