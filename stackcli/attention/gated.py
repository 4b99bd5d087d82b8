"""Gated attention, Qiu et al. 2025, sec. 2.2, arXiv:2505.06708: a sigmoid gate on the output of every head.

Parameters: D^2 + D for each layer.
"""

from torch import Tensor, nn

from stackcli.attention.base import Pattern


class Gated(Pattern):
    """Multiplies each number of the heads' outputs by sigmoid(W x + b), with x the input of attention, before the
    output projection: the paper's elementwise gate at position G1."""

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.map = nn.Linear(dim, dim)

    def gate(self, x: Tensor, y: Tensor) -> Tensor:
        gate: Tensor = self.map(x)
        return y * gate.sigmoid()

    def flops(self, length: int) -> int:
        return 2 * length * self.map.weight.numel()
