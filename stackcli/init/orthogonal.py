"""Random orthogonal matrices, Saxe et al. 2013, arXiv:1312.6120: a map that keeps lengths and angles, times a gain.

Q, K and V are separate maps. A map that is not square has orthonormal rows, or orthonormal columns if it has more rows
than columns. Biases are zero.
"""

from typing import Annotated

from annotated_types import Gt, Le
from torch import Tensor, nn

from stackcli.init.base import Init


class Orthogonal(Init):
    """W W' = gain^2 I, or W' W = gain^2 I if W is taller than wide; also the head. Token vectors use embed_std."""

    def __init__(self, *, depth: int, dim: int, branches: int, gain: Annotated[float, Gt(0), Le(100)] = 1.0) -> None:
        super().__init__(depth=depth, dim=dim, branches=branches)
        self.gain = gain

    def weight(self, tensor: Tensor, role: str) -> None:
        nn.init.orthogonal_(tensor, self.gain)
