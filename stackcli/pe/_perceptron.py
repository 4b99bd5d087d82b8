"""A perceptron of one number, applied to every pair of tokens without a T x T x W tensor, for FIRE.

Shapes: M matrices, R queries, K keys, W hidden units, H heads; in a tile m of M and r queries.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE = 2**18  # hidden numbers that are computed together

relu_backward = torch.ops.aten.threshold_backward.grad_input


class Perceptron(torch.autograd.Function):
    """Computes outer relu(inner x + bias): x (M, R, K), inner and bias (W, 1), outer (H, W) -> (M, H, R, K)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, inner: Tensor, bias: Tensor, outer: Tensor) -> Tensor:
        ctx.save_for_backward(x, inner, bias, outer)
        out = x.new_empty(len(outer), *x.shape)
        for which, rows in tiles(x, len(inner)):
            part = out[:, which, rows]
            part.copy_((outer @ hidden(x[which, rows], inner, bias)).view_as(part))
        return out.transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        x, inner, bias, outer = ctx.saved_tensors
        to_x, to_inner, to_bias, to_outer = (torch.zeros_like(t) for t in ctx.saved_tensors)
        for which, rows in tiles(x, len(inner)):
            own, found = x[which, rows], hidden(x[which, rows], inner, bias)
            part = grad[which, :, rows].transpose(0, 1).flatten(1)  # (H, n)
            to_outer += part @ found.T
            to_hidden = outer.T @ part
            relu_backward(to_hidden, found, 0, grad_input=to_hidden)
            to_inner[:, 0] += to_hidden @ own.flatten()
            to_bias[:, 0] += to_hidden.sum(1)
            to_x[which, rows] = (inner.T @ to_hidden).view_as(own)
        return to_x, to_inner, to_bias, to_outer


def tiles(x: Tensor, width: int) -> Iterator[tuple[slice, slice]]:
    """Yields parts of x (M, R, K): several matrices, or some rows of one."""
    M, R, K = x.shape
    rows = max(1, min(R, TILE // (width * K)))
    together = max(1, TILE // (width * K * R))
    for first in range(0, M, together):
        for start in range(0, R, rows):
            yield slice(first, first + together), slice(start, start + rows)


def hidden(x: Tensor, inner: Tensor, bias: Tensor) -> Tensor:
    """Returns the hidden units: n numbers -> (W, n)."""
    return (inner * x.flatten()).add_(bias).relu_()
