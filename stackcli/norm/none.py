"""No normalisation: vectors stay unchanged, for schemes that need none (ReZero, T-Fixup) and for comparison.

It also replaces the norm at the end of the stack.
"""

from torch import Tensor, nn


class NoNorm(nn.Module):
    """Returns its input (B, T, D) unchanged; has no parameters."""

    def __init__(self, *, dim: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x
