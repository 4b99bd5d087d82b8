"""The interface of an initialisation: how the matrices and biases of the stack are drawn.

Roles: q, k, v, o (attention), ff1, ff2 (feed-forward), head (classifier). Position tables are drawn by their encoding.
"""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor


class Init:
    """Constructed with `depth`, `dim`, `branches` (of the whole stack: 2 a block, or 1 where ff=0) and its own keys;
    PyTorch's generator stands at (seed, layer, tensor) around a call."""

    scales = False  # whether it sizes branches by depth, as some residual schemes do: then both would
    needs: ClassVar[Mapping[str, str]] = {}  # group -> part without which it is not the paper's scheme

    def __init__(self, *, depth: int, dim: int, branches: int) -> None:
        self.depth, self.dim, self.branches = depth, dim, branches

    def weight(self, tensor: Tensor, role: str) -> None:
        """Fills a matrix (out, in) in place."""
        raise NotImplementedError

    def bias(self, tensor: Tensor, role: str, fan_in: int) -> None:
        """Fills a bias (out,) in place; zero unless a scheme says otherwise."""
        tensor.zero_()

    def token_std(self, std: float) -> float:
        """Standard deviation of the token vectors; `std` is the setting embed_std, which holds unless the scheme's
        paper has one of its own."""
        return std

    def embedding(self, tensor: Tensor, std: float) -> None:
        """Fills the token vectors (V, D) in place."""
        tensor.normal_(0, self.token_std(std))
