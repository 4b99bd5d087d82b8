"""Zero-initialised branches, Goyal et al. 2017, sec. 5.1, arXiv:1706.02677, and Zhang et al. 2019, arXiv:1901.09321.

What each branch ends with, `o` and `ff2`, starts at zero, weights and biases, so that with residual=pre every block is
the identity at first; all else is drawn as init=default does. Goyal et al. zero the gain of the norm that ends a
branch, which is the same at the start; Zhang et al. zero the branch's last map, and the classifier too, which is left
out here.
"""

import math

from torch import Tensor

from stackcli.init.base import Init


class Zero(Init):
    """The head is drawn as `torch.nn.Linear` is. Token vectors keep embed_std."""

    def weight(self, tensor: Tensor, role: str) -> None:
        self.fill(tensor, role, tensor.shape[1])

    def bias(self, tensor: Tensor, role: str, fan_in: int) -> None:
        self.fill(tensor, role, fan_in)

    def fill(self, tensor: Tensor, role: str, fan_in: int) -> None:
        """Uniform within 1/sqrt(fan in), or zero at the end of a branch."""
        bound = 0.0 if role in ("o", "ff2") else 1 / math.sqrt(fan_in)
        tensor.uniform_(-bound, bound)
