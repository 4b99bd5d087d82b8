"""Xavier uniform, Glorot and Bengio 2010, eq. 16, AISTATS: variance 2/(fan in + fan out), biases zero."""

import math

from torch import Tensor

from stackcli.init.base import Init


class Xavier(Init):
    """Q, K and V count as separate matrices D x D, although they are computed as one."""

    def weight(self, tensor: Tensor, role: str) -> None:
        bound = math.sqrt(6 / sum(tensor.shape))
        tensor.uniform_(-bound, bound)
