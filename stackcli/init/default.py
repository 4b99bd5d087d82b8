"""PyTorch's default for a linear map: weights and biases uniform within 1/sqrt(fan in), similar to LeCun et al. 1998.

The variance is 1/(3 fan in), as in `torch.nn.Linear`.
"""

import math

from torch import Tensor

from stackcli.init.base import Init


class Default(Init):
    """Draws every map as `torch.nn.Linear` does."""

    def weight(self, tensor: Tensor, role: str) -> None:
        bound = 1 / math.sqrt(tensor.shape[1])
        tensor.uniform_(-bound, bound)

    def bias(self, tensor: Tensor, role: str, fan_in: int) -> None:
        bound = 1 / math.sqrt(fan_in)
        tensor.uniform_(-bound, bound)
