"""Layer normalisation, Ba et al. 2016, eq. 4, arXiv:1607.06450: each token's vector to mean 0 and variance 1."""

from typing import Annotated

from annotated_types import Gt, Le
from torch import Tensor, nn


class Layer(nn.LayerNorm):
    """(B, T, D) -> (B, T, D), with a learned gain and offset for each dimension."""

    def __init__(self, *, dim: int, eps: Annotated[float, Gt(0), Le(1)] = 1e-5) -> None:
        super().__init__(dim, eps=eps)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        normed: Tensor = super().forward(x)
        return normed
