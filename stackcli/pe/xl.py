"""Relative offsets from sinusoids, never clipped, Dai et al. 2019, sec. 3.3, arXiv:1901.02860 (Transformer-XL).

Parameters: D^2 + 2 D for each layer. Beyond the trained length: defined everywhere, but with combinations of angles not
seen in training. Needs the explicit kernel.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from stackcli.pe.base import INDEXED, Base, Context, PositionEncoding, Work, check_even, consecutive, fit_base

BLOCK = 64  # queries


class AddByOffset(torch.autograd.Function):
    """Adds q_i . vectors[j - i + T - 1] to scores (B, H, T, T) in place: queries (B, H, T, E), vectors of the offsets
    -(T-1) .. T-1 (H, 2T - 1, E). A block of queries is multiplied with the vectors of its offsets, and row i of the
    product is read i places earlier, as in Huang et al. 2018, sec. 3.4.1, arXiv:1809.04281."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, q: Tensor, vectors: Tensor) -> Tensor:
        ctx.mark_dirty(scores)
        ctx.save_for_backward(q, vectors)
        own, out = q.transpose(0, 1), scores.transpose(0, 1)  # (H, B, T, ..)
        for rows, reached in blocks(q.shape[-2]):
            products = own[:, :, rows].flatten(1, 2) @ vectors[:, reached].transpose(1, 2)  # (H, B b, W)
            out[:, :, rows].add_(by_key(products.view(*own[:, :, rows].shape[:-1], -1)))
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        q, vectors = ctx.saved_tensors
        own, given = q.transpose(0, 1), grad.transpose(0, 1)  # (H, B, T, ..)
        to_own, to_vectors = torch.empty_like(own), torch.zeros_like(vectors)
        products = grad.new_empty(0)
        for rows, reached in blocks(q.shape[-2]):
            shape = *own[:, :, rows].shape[:-1], reached.stop - reached.start  # (H, B, b, W)
            products = products if products.shape == shape else grad.new_zeros(shape)
            by_key(products).copy_(given[:, :, rows])  # what it does not view stays 0
            flat = products.flatten(1, 2)
            to_own[:, :, rows] = (flat @ vectors[:, reached]).view_as(own[:, :, rows])
            to_vectors[:, reached].add_(flat.transpose(1, 2) @ own[:, :, rows].flatten(1, 2))
        return grad, to_own.transpose(0, 1), to_vectors


def blocks(length: int) -> Iterator[tuple[slice, slice]]:
    """Yields blocks of queries and their offsets, counted from -(T-1)."""
    for start in range(0, length, BLOCK):
        end = min(start + BLOCK, length)
        yield slice(start, end), slice(length - end, 2 * length - 1 - start)


def by_key(products: Tensor) -> Tensor:
    """Views products by offset (.., .., b, T + b - 1) as products by key (.., .., b, T)."""
    b, W = products.shape[-2:]
    strides = (*products.stride()[:-2], W - 1, 1)
    return products.as_strided((*products.shape[:-1], W - b + 1), strides, products.storage_offset() + b - 1)


def add_by_offset(scores: Tensor, q: Tensor, vectors: Tensor) -> Tensor:
    """Applies `AddByOffset`, in the precision of the scores."""
    found: Tensor = AddByOffset.apply(scores, q.to(scores), vectors.to(scores))  # type: ignore[no-untyped-call]
    return found


class Xl(PositionEncoding):
    """Adds q_i . r + u . k_j + v . r to the scores, with r = W R(i - j) and R the sinusoid of the offset; u and v are
    learned and the same for every query (terms b, c and d of the paper; term a is the score itself).

    Each layer has its own W, u and v. u is added to the queries, which gives term c. If positions are consecutive, a
    query is multiplied with the vectors of all offsets. Otherwise sin and cos of a difference are written as products
    of those of both positions, so that a score is the product of D numbers for the query and D numbers for the key's
    position. Raises ValueError for an odd dim.
    """

    per_layer = True
    common = INDEXED
    beyond = "defined"
    relative = True
    maps = ("project",)

    def __init__(self, *, dim: int, heads: int, max_len: int, base: Base = 10000.0) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        check_even(dim, "xl")
        exponent = torch.arange(0, dim, 2, dtype=torch.float64) / dim
        self.freq = fit_base(base, width=dim, max_len=max_len) ** -exponent  # (D/2,)
        self.project = nn.Parameter(torch.randn(dim, dim) / math.sqrt(dim))  # (D, D), all heads
        self.u = nn.Parameter(torch.zeros(heads, dim // heads))  # (H, E)
        self.v = nn.Parameter(torch.zeros(heads, dim // heads))

    def vectors(self, back: Tensor) -> Tensor:
        """Returns r for offsets i - j: (N,) -> (H, N, E)."""
        device = "cpu" if back.device.type == "mps" else back.device
        angle = back.to(device)[:, None] * self.freq.to(device)  # (N, D/2)
        sinusoid = torch.cat((angle.sin(), angle.cos()), dim=-1).to(self.project)
        return (sinusoid @ self.project.T).view(len(back), self.heads, -1).transpose(0, 1)

    def rotate(self, q: Tensor, k: Tensor, ctx: Context) -> tuple[Tensor, Tensor]:
        return q + self.u[:, None], k

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        if not consecutive(ctx):
            return self.apart(self.scaled(q), ctx)
        return self.add(q.new_zeros(*q.shape[:-1], q.shape[-2]), q)

    def add_bias(self, scores: Tensor, q: Tensor, k: Tensor, ctx: Context) -> Tensor | None:
        return self.add(scores, q) if consecutive(ctx) else None

    def add(self, scores: Tensor, q: Tensor) -> Tensor:
        """Adds the bias to scores of consecutive positions, (B, H, T, T)."""
        T = q.shape[-2]
        vectors = self.vectors(torch.arange(T - 1, -T, -1, device=q.device))  # of offsets j - i, from below
        return add_by_offset(scores, self.scaled(q), vectors)

    def scaled(self, q: Tensor) -> Tensor:
        """Returns what is multiplied with r, from the queries to which u was added, (B, H, T, E)."""
        return (q + (self.v - self.u)[:, None]) / math.sqrt(q.shape[-1])

    def apart(self, q: Tensor, ctx: Context) -> Tensor:
        """Computes q_i . W R(p_i - p_j) for any positions: (B, H, T, E) -> (B, H, T, T). With a = p_i w and
        b = p_j w: sin(a - b) = sin a cos b - cos a sin b, cos(a - b) = cos a cos b + sin a sin b."""
        (sin, cos), (key_sin, key_cos) = (self.waves(pos) for pos in (ctx.at, ctx.pos))  # (.., 1, T, D/2) each
        of_sin, of_cos = (q @ self.project.view(self.heads, -1, self.dim)).chunk(2, dim=-1)  # (B, H, T, D/2) each
        queries = torch.cat((of_cos * sin - of_sin * cos, of_cos * cos + of_sin * sin), dim=-1)  # (B, H, T, D)
        return queries @ torch.cat((key_sin, key_cos), dim=-1).transpose(-1, -2)

    def waves(self, pos: Tensor) -> tuple[Tensor, Tensor]:
        """Returns sin and cos of positions times frequencies: (..., T) -> (..., 1, T, D/2)."""
        device = "cpu" if pos.device.type == "mps" else pos.device
        angle = pos.to(device)[..., None] * self.freq.to(device)
        sin, cos = (wave.to(self.project).unsqueeze(-3) for wave in (angle.sin(), angle.cos()))
        return sin, cos

    def flops(self, length: int, work: Work) -> int:
        if self.randomised or not work.dense:
            return 2 * self.dim * (work.queries * self.dim + self.heads * work.scores)
        blocks = [min(BLOCK, length - start) for start in range(0, length, BLOCK)]
        return 2 * self.dim * ((2 * length - 1) * self.dim + sum(b * (length + b - 1) for b in blocks))

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        at = torch.arange(-self.max_len + 1, self.max_len, device=self.u.device)
        yield "offsets", at, self.vectors(-at).transpose(0, 1).flatten(1)
