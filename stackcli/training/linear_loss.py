"""The cross-entropy of a linear classifier with many classes, such as words, without all its logits in memory.

Shapes: N scored items, D width, C classes.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LOGITS = 1 << 20  # logits that are held at a time


class LinearCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy in nats: x (N, D), weight (C, D), bias (C,), classes (N,) -> ().

    A few items at a time, it computes the logits, their loss, and at once the gradients, which the backward pass only
    scales. So the logits are never kept.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        total, to_x = x.new_zeros(()), torch.empty_like(x)
        to_weight, to_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        rows = max(1, LOGITS // len(weight))
        for some, asked, place in zip(*(torch.split(t, rows) for t in (x, labels, to_x)), strict=True):
            logits = torch.addmm(bias, some, weight.t())
            logs, at = logits.log_softmax(-1), asked[:, None]
            total -= (1 - smoothing) * logs.gather(1, at).sum()
            if smoothing:
                total -= smoothing * logs.mean(1).sum()
            grad = logs.exp_().sub_(smoothing / len(weight))
            grad.scatter_add_(1, at, grad.new_full((len(some), 1), smoothing - 1))
            torch.mm(grad, weight, out=place)
            to_weight.addmm_(grad.t(), some)
            to_bias += grad.sum(0)
        ctx.save_for_backward(to_x.div_(len(x)), to_weight.div_(len(x)), to_bias.div_(len(x)))
        return total / len(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        to_x, to_weight, to_bias = ctx.saved_tensors
        return to_x * grad, to_weight * grad, to_bias * grad, None, None


def linear_cross_entropy(x: Tensor, head: nn.Linear, labels: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Applies `LinearCrossEntropy`: x (N, D), classes (N,) -> the mean cross-entropy of head(x), nats."""
    found: Tensor = LinearCrossEntropy.apply(x, head.weight, head.bias, labels, smoothing)  # type: ignore[no-untyped-call]
    return found
