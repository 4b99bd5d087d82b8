"""The interface of a residual scheme: how a branch (attention or feed-forward map) is joined to the stream.

Shapes: B batch, T positions, D width.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from torch import Tensor, nn

Branch = Callable[[Tensor], Tensor]  # (B, T, D) -> (B, T, D)


class Residual(nn.Module):
    """Base class; one instance joins one branch to the stream. Its constructor takes `dim`, `depth`, `branches` (of the
    whole stack: 2 for each block, 1 if ff=0), `layer` (1 is next to the input), `norm` (builds a normalisation of width
    dim, which is called with the stream and the mask) and the scheme's own keys."""

    opening_norm = False  # whether the input of block 1, tokens and positions together, is normalised
    closing_norm = False  # whether the stack ends with a normalisation of its own
    profiled = False  # whether `settle` must be called after a first pass and before training
    order: ClassVar[Literal["pre", "post"] | None] = (
        None  # of a scheme that is x + branch(norm(x)), or norm(x + branch(x))
    )
    needs: ClassVar[Mapping[str, str]] = {}  # group -> part that the paper's scheme requires

    def __init__(self, *, dim: int, depth: int, branches: int, layer: int, norm: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.norm = norm()

    def forward(self, x: Tensor, branch: Branch, mask: Tensor | None = None) -> Tensor:
        """Returns the stream after the branch, (B, T, D). mask: True on real tokens, (B, T); None if all are real."""
        raise NotImplementedError

    def gain(self, role: str) -> float:
        """Returns the factor for the drawn matrix of a role (q, k, v, o, ff1, ff2)."""
        return 1.0

    def pair(self, first: "Residual") -> None:
        """Shares parameters between the two joins of a block; called on the second join with the first."""

    def settle(self, variance: float) -> None:
        """Sets parameters after a first pass; `variance`: summed over the outputs of all earlier branches in it."""
        raise NotImplementedError
