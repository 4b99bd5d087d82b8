"""Softmax with one added to the denominator, Miller 2023, "Attention is off by one": a head may attend to nothing."""

import torch
from torch import Tensor

from stackcli.attention.base import Pattern


class Softmax1(Pattern):
    """Weights exp(s_j) / (1 + sum of exp(s)), as with one more key whose score is 0 and whose value is zero."""

    def __init__(self, *, heads: int) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(heads), persistent=False)
        self.zero: Tensor

    def sink(self) -> Tensor:
        return self.zero
