"""The interface of an initialisation: how the matrices and biases of the stack are drawn.

Roles: q, k, v, o (attention), ff1, ff2 (feed-forward), head (classifier). Token vectors are drawn by the model
(`embed_std`), position tables by their encoding.
"""

from torch import Tensor


class Init:
    """Constructed with `depth` and its own keys; PyTorch's generator stands at (seed, layer, tensor) around a call."""

    def __init__(self, *, depth: int) -> None:
        self.depth = depth

    def weight(self, tensor: Tensor, role: str) -> None:
        """Fills a matrix (out, in) in place."""
        raise NotImplementedError

    def bias(self, tensor: Tensor, role: str, fan_in: int) -> None:
        """Fills a bias (out,) in place; zero unless a scheme says otherwise."""
        tensor.zero_()
