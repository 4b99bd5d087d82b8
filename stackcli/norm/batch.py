"""Batch normalisation, Ioffe and Szegedy 2015, algorithms 1 and 2, arXiv:1502.03167: each dimension over all tokens.

Padding is not counted. In Transformers its statistics vary strongly between batches, and it trains worse than layer
normalisation: Shen et al. 2020, sec. 3, arXiv:2003.07845.
"""

from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor, nn


class Batch(nn.Module):
    """(B, T, D) -> (B, T, D), with a learned gain and offset for each dimension; mask: True on real tokens, (B, T).

    Training uses the mean and the biased variance of the batch's real tokens. Evaluation, and so the measurement of
    layers during a run, uses running statistics with the unbiased variance, as `torch.nn.BatchNorm1d` does. They start
    at 0 and 1, so an untrained stack is evaluated as if it had no normalisation (the command `probe` uses the
    statistics of its batch instead). A batch with a single real token has no variance: it is normalised with the
    running statistics and does not change them.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self, *, dim: int, eps: Annotated[float, Gt(0), Le(1)] = 1e-5, momentum: Annotated[float, Gt(0), Le(1)] = 0.1
    ) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_var", torch.ones(dim))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        real = x.flatten(0, -2) if mask is None else x[mask]  # (N, D)
        several = len(real) > 1
        mean, var = self.measured(real) if self.training and several else (self.running_mean, self.running_var)
        return (x - mean) * (var + self.eps).rsqrt() * self.weight + self.bias

    def measured(self, real: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mean and biased variance of tokens (N, D), each (D,), and updates the running statistics."""
        var, mean = torch.var_mean(real, 0, correction=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (len(real) / (len(real) - 1)), self.momentum)
        return mean, var
