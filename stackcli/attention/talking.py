"""Talking-heads attention, Shazeer et al. 2020, sec. 4, arXiv:2003.02436: heads exchange scores and weights.

Parameters: 2 H^2 for each layer. Needs the explicit kernel.
"""

from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor, nn

from stackcli.attention.base import Pattern


class Talking(Pattern):
    """A linear map over the heads mixes the scores before the softmax, and another one the weights after it.

    Both start as the identity plus numbers of standard deviation `std`: near full attention, which is the identity.
    """

    fused = False
    signed = True

    def __init__(self, *, heads: int, std: Annotated[float, Gt(0), Le(10)] = 0.1) -> None:
        super().__init__()
        self.before, self.after = (nn.Parameter(torch.eye(heads) + std * torch.randn(heads, heads)) for _ in range(2))

    def mix_scores(self, scores: Tensor) -> Tensor:
        return _over_heads(self.before, scores)

    def mix_weights(self, weights: Tensor) -> Tensor:
        return _over_heads(self.after, weights)

    def flops(self, length: int) -> int:
        return 2 * length**2 * (self.before.numel() + self.after.numel())


def _over_heads(table: Tensor, x: Tensor) -> Tensor:
    """Mixes the heads: (H, H) and (B, H, T, T) -> (B, H, T, T)."""
    return (table @ x.flatten(2)).view_as(x)
