"""Root mean square normalisation, Zhang and Sennrich 2019, eq. 4, arXiv:1910.07467: removes scale, keeps the mean."""

from typing import Annotated

from annotated_types import Gt, Le
from torch import Tensor, nn


class Rms(nn.RMSNorm):
    """(B, T, D) -> (B, T, D), with a learned gain for each dimension and no offset."""

    def __init__(self, *, dim: int, eps: Annotated[float, Gt(0), Le(1)] = 1e-5) -> None:
        super().__init__(dim, eps=eps)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        normed: Tensor = super().forward(x)
        return normed
