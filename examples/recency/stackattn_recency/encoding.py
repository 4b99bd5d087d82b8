"""Recency: scores fall with the logarithm of the distance. After ALiBi, Press et al. 2022, arXiv:2108.12409."""

from typing import Annotated

from annotated_types import Ge
from torch import Tensor

from stackcli.pe.base import Context, PositionEncoding, offsets


class Recency(PositionEncoding):
    """Recency: scores fall with the logarithm of the distance."""

    relative = True  # a shift of all positions changes nothing

    def __init__(self, *, dim: int, heads: int, max_len: int, strength: Annotated[float, Ge(0)] = 1.0) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        self.strength = strength

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        """(T, T), or (B, 1, T, T) where positions differ between sequences; added to the scaled scores."""
        distance = offsets(ctx).abs().to(q)
        bias = -self.strength * distance.log1p()
        return bias if bias.dim() == 2 else bias[:, None]
