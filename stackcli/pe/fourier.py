"""Learnable Fourier features, Li et al. 2021, eq. 2 to 4, arXiv:2106.02795.

Parameters: F/2 + (F + 1) W + (W + 1) D for F features and W hidden units. Beyond the trained length: defined, but with
angles not seen in training.
"""

import math
from collections.abc import Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from stackcli.pe.base import ADDITIVE, Context, PositionEncoding, Work


class Fourier(PositionEncoding):
    """Adds W_2 gelu(W_1 r + b_1) + b_2 to the token's vector, with the features r = (cos(x w), sin(x w)) / sqrt(F) of
    its position x.

    The F/2 trained frequencies w are drawn from N(0, gamma^-2), so that at the start E r(x) . r(y) =
    exp(-(x - y)^2 / (2 gamma^2)) / 2: positions closer than about `gamma` start with similar features. The output layer
    is drawn so that each dimension of the vectors has a standard deviation of about `std`. Raises ValueError for an odd
    number of features.
    """

    common = ADDITIVE
    beyond = "defined"
    relative = False

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        max_len: int,
        features: Annotated[int, Ge(2), Le(100_000)] = 64,
        gamma: Annotated[float, Gt(0), Le(1e9)] = 8.0,
        width: Annotated[int, Ge(1), Le(100_000)] = 64,
        std: Annotated[float, Gt(0), Le(100)] = 0.05,
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        if features % 2:
            raise ValueError(f"fourier needs an even number of features, not pe.features={features}")
        self.freq = nn.Parameter(torch.randn(features // 2) / gamma)  # (F/2,)
        self.inner = nn.Linear(features, width)
        self.outer = nn.Linear(width, dim)
        with torch.no_grad():
            self.inner.weight.normal_(0, math.sqrt(2.0))  # features of norm sqrt(1/2): hidden units of about size 1
            self.inner.bias.zero_()
            self.outer.weight.normal_(0, std / math.sqrt(0.42 * width))  # gelu of a unit normal has mean square 0.42
            self.outer.bias.zero_()

    def features(self, pos: Tensor) -> Tensor:
        """Returns the features r of integer positions: (...,) -> (..., F)."""
        angle = pos[..., None].to(self.freq) * self.freq  # (..., F/2)
        return torch.cat((angle.cos(), angle.sin()), dim=-1) / math.sqrt(2 * len(self.freq))

    def at(self, pos: Tensor) -> Tensor:
        """Returns the vectors of integer positions: (...,) -> (..., D)."""
        vectors: Tensor = self.outer(F.gelu(self.inner(self.features(pos))))
        return vectors

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        return x + self.at(ctx.pos)

    def flops(self, length: int, work: Work) -> int:
        return 2 * length * (self.inner.weight.numel() + self.outer.weight.numel())

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        pos = torch.arange(self.max_len, device=self.freq.device)
        yield "table", pos, self.at(pos)
