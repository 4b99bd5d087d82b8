"""No normalisation: the vectors as they are, for schemes that do without (ReZero, T-Fixup) and to see what a norm does.

Also in place of the norm at the end of the stack.
"""

from torch import Tensor, nn


class NoNorm(nn.Module):
    """(B, T, D) -> the same, unchanged; nothing to train."""

    def __init__(self, *, dim: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x
