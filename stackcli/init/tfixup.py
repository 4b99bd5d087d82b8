"""T-Fixup, Huang, Perez, Ba and Volkovs 2020, sec. 3.2, ICML: no normalisation and no warm-up at any depth.

Xavier uniform, with v, o, ff1 and ff2 of an encoder of N layers multiplied by 0.67 N^(-1/4). Token vectors are drawn
with standard deviation d^(-1/2) and multiplied by (9N)^(-1/4). These are the paper's constants for the encoder of an
encoder-decoder model, with N of the encoder also for the token vectors, as in the authors' code. The decoder's factor
(9N)^(-1/4) on the maps is not used. The code multiplies token vectors by sqrt(d) when they are looked up, as Vaswani et
al. 2017 do; the paper does not mention it, and it is not done here. Each encoding draws its own position tables.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from stackcli.init.base import Init


class Tfixup(Init):
    """The head is Xavier uniform without a factor, and biases are zero. Meant for warmup=0; a warm-up is allowed."""

    scales = True
    needs: ClassVar[Mapping[str, str]] = {"norm": "none"}

    def weight(self, tensor: Tensor, role: str) -> None:
        gain = 0.67 * self.depth**-0.25 if role in ("v", "o", "ff1", "ff2") else 1.0
        bound = gain * math.sqrt(6 / sum(tensor.shape))
        tensor.uniform_(-bound, bound)

    def token_std(self, std: float) -> float:
        return float((9 * self.depth) ** -0.25 * self.dim**-0.5)
