"""Relative offsets from sinusoids, never clipped, Dai et al. 2019, sec. 3.3, arXiv:1901.02860 (Transformer-XL).

Parameters: D^2 + 2 D for each layer. Beyond the trained length: defined everywhere, but with combinations of angles not
seen in training. Needs the explicit kernel.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from stackcli.pe.base import INDEXED, Base, Context, PositionEncoding, Work, check_even, consecutive, fit_base

BLOCK = 64  # queries


def by_offset(q: Tensor, vectors: Tensor) -> Tensor:
    """Computes q_i . vectors[j - i + T - 1]: queries (B, H, T, E), vectors of offsets -(T-1) .. T-1 (H, 2T - 1, E)
    -> (B, H, T, T). A block of queries is multiplied with the vectors of its offsets, and row i of the product is read
    i places earlier, as in Huang et al. 2018, sec. 3.4.1, arXiv:1809.04281."""
    B, H, T, _ = q.shape
    parts = []
    for start in range(0, T, BLOCK):
        end = min(start + BLOCK, T)
        products = q[..., start:end, :] @ vectors[:, T - end : 2 * T - 1 - start].transpose(-1, -2)  # (B, H, b, W)
        b, W = products.shape[-2:]
        parts.append(products.as_strided((B, H, b, T), (H * b * W, b * W, W - 1, 1), products.storage_offset() + b - 1))
    return torch.cat(parts, dim=-2)


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
        q = (q + (self.v - self.u)[:, None]) / math.sqrt(q.shape[-1])
        if not consecutive(ctx):
            return self.apart(q, ctx)
        T = q.shape[-2]
        return by_offset(q, self.vectors(torch.arange(T - 1, -T, -1, device=q.device)))  # of offsets j - i, from below

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
