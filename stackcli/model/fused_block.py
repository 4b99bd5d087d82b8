"""The training pass of pre-LN and post-LN blocks with fewer passes over memory, and with derivatives written out.

It computes what the modules of a block compute: normalisation and the maps to queries, keys and values in one step, and
everything after attention in another. Autograd then records two operations instead of about thirty for each block.

Shapes: B batch, T positions, D width, F hidden width, N = B T.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Grads = tuple[Tensor | None, ...]
layer_norm_backward = torch.ops.aten.native_layer_norm_backward.default
relu_backward = torch.ops.aten.threshold_backward.grad_input


class NormedMap(torch.autograd.Function):
    """Layer normalisation and a linear map: x (B, T, D) -> (B, T, out)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, offset: Tensor, eps: float, weight: Tensor, bias: Tensor) -> Tensor:
        normed, mean, rstd = torch.native_layer_norm(x, x.shape[-1:], gain, offset, eps)
        rows = normed.flatten(0, 1)
        ctx.save_for_backward(x, gain, offset, mean, rstd, rows, weight)
        return torch.addmm(bias, rows, weight.t()).view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Grads:
        x, gain, offset, mean, rstd, rows, weight = ctx.saved_tensors
        g = grad.flatten(0, 1)
        behind = (g @ weight).view_as(x)
        to_x, to_gain, to_offset = layer_norm_backward(behind, x, x.shape[-1:], mean, rstd, gain, offset, [True] * 3)
        return to_x, to_gain, to_offset, None, g.t() @ rows, g.sum(0)


class AfterAttention(torch.autograd.Function):
    """What follows attention in a block, from its input x and the heads' output y, both (B, T, D), to its output.

    pre-LN: s = x + drop(out(y)), and s + drop(feed(norm(s))). post-LN: s = norm(x + drop(out(y))), and
    norm(s + drop(feed(s))). `kept` and `feed_kept` are the scales of dropout, (B, T, D); None for no dropout.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, kept: Tensor | None, feed_kept: Tensor | None, before: bool, eps: float,
        *weights: Tensor,
    ) -> Tensor:  # fmt: skip
        wo, bo, gain, offset, w1, b1, w2, b2, *last = weights
        shape, rows, size = x.shape, y.reshape(-1, y.shape[-1]), x.shape[-1:]
        s = add_dropped(x, torch.addmm(bo, rows, wo.t()).view(shape), kept)
        normed, mean, rstd = torch.native_layer_norm(s, size, gain, offset, eps)
        hidden = torch.addmm(b1, normed.flatten(0, 1), w1.t()).relu_()
        fed = torch.addmm(b2, hidden, w2.t()).view(shape)
        out = add_dropped(s if before else normed, fed, feed_kept)
        ctx.before, saved = before, [rows, s, mean, rstd, normed, hidden, kept, feed_kept]
        if not before:
            summed = out
            out, mean, rstd = torch.native_layer_norm(summed, size, last[0], last[1], eps)
            saved += [summed, mean, rstd]
        ctx.save_for_backward(wo, gain, offset, w1, w2, *last, *saved)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Grads:
        wo, gain, offset, w1, w2, *rest = ctx.saved_tensors
        size, ending = grad.shape[-1:], ()
        if not ctx.before:
            (last_gain, last_offset), rest = rest[:2], rest[2:]
            args = (rest[8], size, rest[9], rest[10], last_gain, last_offset, [True] * 3)
            grad, *ending = layer_norm_backward(grad.contiguous(), *args)
        rows, s, mean, rstd, normed, hidden, kept, feed_kept = rest[:8]
        g = (grad if feed_kept is None else grad * feed_kept).flatten(0, 1)
        to_b2, to_w2, to_hidden = g.sum(0), g.t() @ hidden, g @ w2
        relu_backward(to_hidden, hidden, 0, grad_input=to_hidden)
        to_b1, to_w1 = to_hidden.sum(0), to_hidden.t() @ normed.flatten(0, 1)
        behind = (to_hidden @ w1).view_as(s)
        behind = behind if ctx.before else behind.add_(grad)
        to_s, to_gain, to_offset = layer_norm_backward(behind, s, size, mean, rstd, gain, offset, [True] * 3)
        to_s = to_s.add_(grad) if ctx.before else to_s
        g = (to_s if kept is None else to_s * kept).flatten(0, 1)
        to_y = (g @ wo).view_as(s)
        to_weights = (g.t() @ rows, g.sum(0), to_gain, to_offset, to_w1, to_b1, to_w2, to_b2, *ending)
        return to_s, to_y, None, None, None, None, *to_weights


def add_dropped(x: Tensor, y: Tensor, scales: Tensor | None) -> Tensor:
    """x + y, or x + y * scales; y may be overwritten."""
    return y.add_(x) if scales is None else torch.addcmul(x, y, scales)


def normed_map(x: Tensor, norm: nn.LayerNorm, to: nn.Linear) -> Tensor:
    """Applies `NormedMap`: to(norm(x))."""
    found: Tensor = NormedMap.apply(x, norm.weight, norm.bias, norm.eps, to.weight, to.bias)  # type: ignore[no-untyped-call]
    return found


def after_attention(
    x: Tensor, y: Tensor, kept: Tensor | None, feed_kept: Tensor | None, *, before: bool, norms: list[nn.LayerNorm],
    maps: list[nn.Linear],
) -> Tensor:  # fmt: skip
    """Applies `AfterAttention`. norms: those of the feed-forward branch and, in post-LN, of both branches in order;
    maps: out, ff1, ff2."""
    out, ff1, ff2 = maps
    first, *last = norms
    weights = [out.weight, out.bias, first.weight, first.bias, ff1.weight, ff1.bias, ff2.weight, ff2.bias]
    weights += [p for norm in last for p in (norm.weight, norm.bias)]
    found: Tensor = AfterAttention.apply(x, y, kept, feed_kept, before, first.eps, *weights)  # type: ignore[no-untyped-call]
    return found
