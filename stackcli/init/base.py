"""The interface of an initialisation: how the matrices and biases of the stack are drawn.

Roles: q, k, v, o (attention), ff1, ff2 (feed-forward), head (classifier). Position tables are drawn by their encoding.
"""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor


class Init:
    """Constructed with `depth`, `dim` and its own keys; PyTorch's generator stands at (seed, layer, tensor) around a
    call."""

    scales = False  # whether it sizes branches by depth, as some residual schemes do: then both would
    needs: ClassVar[Mapping[str, str]] = {}  # group -> part without which it is not the paper's scheme

    def __init__(self, *, depth: int, dim: int) -> None:
        self.depth, self.dim = depth, dim

    def weight(self, tensor: Tensor, role: str) -> None:
        """Fills a matrix (out, in) in place."""
        raise NotImplementedError

    def bias(self, tensor: Tensor, role: str, fan_in: int) -> None:
        """Fills a bias (out,) in place; zero unless a scheme says otherwise."""
        tensor.zero_()

    def embedding(self, tensor: Tensor, std: float) -> None:
        """Fills the token vectors (V, D) in place; `std` is the setting embed_std."""
        tensor.normal_(0, std)
