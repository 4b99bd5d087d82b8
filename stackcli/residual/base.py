"""The interface of a residual scheme: how a branch (attention or feed-forward map) is joined to the stream.

Shapes: B batch, T positions, D width.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from torch import Tensor, nn

Branch = Callable[[Tensor], Tensor]  # (B, T, D) -> (B, T, D)


class Residual(nn.Module):
    """One join. Constructed with `dim`, `depth`, `branches` (of the whole stack: 2 a block, or 1 where ff=0), `layer`
    (1 is next to the input), `norm` (makes a normalisation of width dim, called with the stream and the mask) and the
    scheme's own keys; every branch of every block has one of its own."""

    opening_norm = False  # whether what enters block 1, tokens and positions together, is normalised
    closing_norm = False  # whether the stack ends with a normalisation of its own
    profiled = False  # whether `settle` must be called after a first pass, before training
    needs: ClassVar[Mapping[str, str]] = {}  # group -> part without which it is not the paper's scheme

    def __init__(self, *, dim: int, depth: int, branches: int, layer: int, norm: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.norm = norm()

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        """The stream after the branch, (B, T, D). mask: True on real tokens, (B, T); None: all are."""
        raise NotImplementedError

    def gain(self, role: str) -> float:
        """What the drawn matrix of a role (q, k, v, o, ff1, ff2) is multiplied with."""
        return 1.0

    def pair(self, first: "Residual") -> None:
        """Called on the second join of a block with the first, for a scheme whose two share a parameter."""

    def settle(self, variance: float) -> None:
        """Called after a first pass: takes the variances that all branches before this one had in it, summed."""
        raise NotImplementedError
