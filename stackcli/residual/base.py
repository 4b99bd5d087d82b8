"""The interface of a residual scheme: how a branch (attention or feed-forward map) is joined to the stream.

Shapes: B batch, T positions, D width.
"""

from collections.abc import Callable

from torch import Tensor, nn

Branch = Callable[[Tensor], Tensor]  # (B, T, D) -> (B, T, D)


class Residual(nn.Module):
    """One join. Constructed with `dim`, `depth`, `layer` (1 is next to the input), `norm` (makes a normalisation of
    width dim) and the scheme's own keys; every branch of every block has one of its own."""

    closing_norm = False  # whether the stack ends with a normalisation of its own

    def __init__(self, *, dim: int, depth: int, layer: int, norm: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.norm = norm()

    def forward(self, x: Tensor, branch: Branch) -> Tensor:
        """The stream after the branch, (B, T, D)."""
        raise NotImplementedError
