"""Dropout, and layer drop (stochastic depth)."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout, Srivastava et al. 2014, seeded by PyTorch's global generator.

    On a CPU each element takes 16 random bits, four elements to a 64-bit draw, which is several times faster than
    `torch.nn.Dropout`. The probability is rounded to a multiple of 1/65536 and the kept elements are scaled by the
    rounded probability, so the mean is exact.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        scales = self.scales(x)
        return x if scales is None else x * scales

    def scales(self, x: Tensor) -> Tensor | None:
        """Draws what each element of x is multiplied by: 0, or 1 / (1 - p) where it is kept. None in evaluation."""
        if not self.training or self.p == 0:
            return None
        if x.device.type != "cpu":
            return F.dropout(torch.ones_like(x), self.p, True)
        dropped = min(round(self.p * 65536), 65535)
        seed = int(torch.empty((), dtype=torch.int64).random_())
        bits = np.random.SFC64(seed).random_raw((x.numel() + 3) // 4).view(np.uint16)[: x.numel()]
        kind = np.float64 if x.dtype == torch.float64 else np.float32
        return torch.from_numpy((bits >= dropped) * kind(65536 / (65536 - dropped))).view(x.shape).to(x.dtype)


class LayerDrop(nn.Module):
    """Stochastic depth, Huang et al. 2016, sec. 3, arXiv:1603.09382. (B, T, D) -> (B, T, D).

    In training the branch is dropped for each sequence with probability `p`, and scaled by 1 / (1 - p) where it is
    kept. The paper scales in evaluation instead.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = torch.rand(x.shape[0], 1, 1, device=x.device) >= self.p
        return x * kept.to(x.dtype).div_(1 - self.p)
