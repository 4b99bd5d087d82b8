"""GPT-2, Radford et al. 2019, sec. 2.3: N(0, 0.02), the last map of each branch divided by sqrt(branches).

The paper divides the weights of residual layers by sqrt(N) with N the number of residual layers. Here N is the number
of branches of the stack, two for each block, and the divided maps are `o` and `ff2`, the last of each branch. The
standard deviation 0.02 is that of GPT (Radford et al. 2018, sec. 4.1) and of the authors' code, which does not contain
the division. Biases are zero. Token vectors are N(0, 0.02) too, whatever embed_std is; each encoding draws its own
position tables.
"""

import math
from typing import Annotated

from annotated_types import Gt, Le
from torch import Tensor

from stackcli.init.base import Init


class Gpt2(Init):
    """The head is N(0, std) without division, because in the paper it is the table of token vectors."""

    scales = True

    def __init__(self, *, depth: int, dim: int, branches: int, std: Annotated[float, Gt(0), Le(100)] = 0.02) -> None:
        super().__init__(depth=depth, dim=dim, branches=branches)
        self.std = std

    def weight(self, tensor: Tensor, role: str) -> None:
        tensor.normal_(0, self.std / math.sqrt(self.branches) if role in ("o", "ff2") else self.std)

    def token_std(self, std: float) -> float:
        return self.std
