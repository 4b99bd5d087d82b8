"""The interface of an initialisation: how the matrices and biases of the stack are drawn.

Roles: q, k, v, o (attention), ff1, ff2 (feed-forward), head (classifier). Position tables are drawn by their encoding.
"""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor


class Init:
    """Base class; its constructor takes `depth`, `dim`, `branches` (of the whole stack: 2 for each block, 1 if ff=0)
    and its own keys. PyTorch's generator is seeded by (seed, layer, tensor) before each call."""

    scales = False  # whether it scales branches by depth; not allowed together with a residual scheme that does so too
    needs: ClassVar[Mapping[str, str]] = {}  # group -> part that the paper's scheme requires

    def __init__(self, *, depth: int, dim: int, branches: int) -> None:
        self.depth, self.dim, self.branches = depth, dim, branches

    def weight(self, tensor: Tensor, role: str) -> None:
        """Fills a matrix (out, in) in place."""
        raise NotImplementedError

    def bias(self, tensor: Tensor, role: str, fan_in: int) -> None:
        """Fills a bias (out,) in place; with zeros by default."""
        tensor.zero_()

    def token_std(self, std: float) -> float:
        """Returns the standard deviation of the token vectors; by default `std`, the setting embed_std, unless the
        scheme's paper names another."""
        return std

    def embedding(self, tensor: Tensor, std: float) -> None:
        """Fills the token vectors (V, D) in place."""
        tensor.normal_(0, self.token_std(std))
