"""Relative offsets from sinusoids, never clipped, Dai et al. 2019, sec. 3.3, arXiv:1901.02860 (Transformer-XL).

Parameters: D^2 + 2 D for each layer. Beyond the trained length: defined everywhere, but with combinations of angles not
seen in training. Needs the explicit kernel.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from stackcli.pe.base import INDEXED, Base, Context, PositionEncoding, Work, check_even, fit_base


def skew(scores: Tensor) -> Tensor:
    """Turns scores by offset (..., T, 2T - 1), offsets -(T-1) .. T-1, into scores by key (..., T, T): row i keeps the T
    offsets -i .. T-1-i. Huang et al. 2018, sec. 3.4.1, arXiv:1809.04281; it only reshapes and needs no index."""
    T = scores.shape[-2]
    flat = torch.nn.functional.pad(scores, (0, 1)).flatten(-2)[..., :-T]  # row i starts i places earlier
    return flat.view(*flat.shape[:-1], T, 2 * T - 1)[..., T - 1 :]


class Xl(PositionEncoding):
    """Adds q_i . r + u . k_j + v . r to the scores, with r = W R(i - j) and R the sinusoid of the offset; u and v are
    learned and the same for every query (terms b, c and d of the paper; term a is the score itself).

    Each layer has its own W, u and v. If positions are consecutive, the scores by offset are skewed into place.
    Otherwise sin and cos of a difference are written as products of those of both positions, so that a score is the
    product of D numbers for the query and D numbers for the key's position. Raises ValueError for an odd dim.
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

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        scale, T = 1 / math.sqrt(q.shape[-1]), q.shape[-2]
        content = (self.u[:, None] * scale) @ k.transpose(-1, -2)  # (B, H, 1, T)
        q = (q + self.v[:, None]) * scale
        if ctx.queries is None and ctx.pos.dim() == 1 and bool((ctx.pos.diff() == 1).all()):
            back = torch.arange(T - 1, -T, -1, device=q.device)  # of offsets j - i = -(T-1) .. T-1
            return content + skew(q @ self.vectors(back).transpose(-1, -2))
        return content + self.apart(q, ctx)

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
        content = 2 * work.keys * self.dim
        if self.randomised or not work.dense:
            return content + 2 * self.dim * (work.queries * self.dim + self.heads * work.scores)
        return content + 2 * (2 * length - 1) * self.dim * (self.dim + length)

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        at = torch.arange(-self.max_len + 1, self.max_len, device=self.u.device)
        yield "offsets", at, self.vectors(-at).transpose(0, 1).flatten(1)
