"""A perceptron from position index to vector, its linear output layer included, cf. Liu et al. 2020, arXiv:2003.09229.

Parameters: 2 W + (W + 1) D for W hidden units. Beyond the trained length: defined, but the function extrapolates.
"""

import math
from collections.abc import Iterator
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from stackcli.pe.base import ADDITIVE, Context, PositionEncoding, Work


class Mlp(PositionEncoding):
    """Adds W_2 tanh(w_1 pos / max_len + b_1) + b_2 to the token's vector; trained with the model.

    The zero crossings of the `width` hidden units start evenly spread over the positions, with slopes so steep that a
    unit changes within a few positions. With the usual small weights every position would start with nearly the same
    vector. The output layer is drawn so that each dimension of the vectors has a standard deviation of about `std`.
    """

    common = ADDITIVE
    maps = ("inner", "outer")
    beyond = "defined"
    relative = False

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        max_len: int,
        width: Annotated[int, Ge(1), Le(100_000)] = 64,
        std: Annotated[float, Gt(0), Le(100)] = 0.05,
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        sharp = width * (0.5 + torch.rand(width)) * (torch.randint(0, 2, (width,)) * 2 - 1)  # slope over max_len
        self.inner = nn.Parameter(sharp[:, None])  # (W, 1)
        self.inner_bias = nn.Parameter(-sharp * (torch.arange(width) + torch.rand(width)) / width)  # (W,)
        self.outer = nn.Parameter(torch.randn(dim, width) * std / math.sqrt(width))  # (D, W)
        self.outer_bias = nn.Parameter(torch.zeros(dim))

    def at(self, pos: Tensor) -> Tensor:
        """Returns the vectors of integer positions: (...,) -> (..., D)."""
        scaled = pos[..., None].to(self.inner) / self.max_len  # (..., 1)
        return (scaled @ self.inner.T + self.inner_bias).tanh() @ self.outer.T + self.outer_bias

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        return x + self.at(ctx.pos)

    def flops(self, length: int, work: Work) -> int:
        return 2 * length * self.inner.numel() * (1 + self.dim)

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        pos = torch.arange(self.max_len, device=self.inner.device)
        yield "table", pos, self.at(pos)
