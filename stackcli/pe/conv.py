"""Convolutional position: a depthwise convolution before block 1, cf. Chu et al. 2021, arXiv:2102.10882.

Parameters: (kernel + 1) x D. Beyond the trained length: exact, because a token depends on its neighbours only.
"""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from stackcli.pe.base import Context, PositionEncoding, Work


class Conv(PositionEncoding):
    """Computes x_t + sum over s of w_s x_(t+s) + b for each dimension, over the `kernel` tokens around t, or up to t in
    a causal model.

    Padding counts as zero. The neighbours give the order without any index, and the zeros around the sequence show its
    ends (Islam et al. 2020, arXiv:2001.08248). Raises ValueError for an even kernel.
    """

    beyond = "exact"
    relative = True
    maps = ("weight",)

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        max_len: int,
        kernel: Annotated[int, Ge(1), Le(10_001)] = 3,
        std: Annotated[float, Gt(0), Le(100)] = 0.5,
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        if kernel % 2 == 0:
            raise ValueError(f"conv needs an odd pe.kernel, not {kernel}")
        self.weight = nn.Parameter(torch.randn(dim, 1, kernel) * std / math.sqrt(kernel))  # (D, 1, kernel)
        self.shift = nn.Parameter(torch.zeros(dim))

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        real = x if ctx.mask is None else x * ctx.mask[..., None].to(x)
        n = self.weight.shape[-1]
        sides = (n - 1, 0) if ctx.causal else (n // 2, n // 2)
        seen = F.conv1d(F.pad(real.transpose(1, 2), sides), self.weight, self.shift, groups=self.dim)  # (B, D, T)
        return x + seen.transpose(1, 2)

    def flops(self, length: int, work: Work) -> int:
        return 2 * length * self.weight.numel()
