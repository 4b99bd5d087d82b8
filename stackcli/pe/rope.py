"""Rotary position embedding, Su et al. 2021, eq. 34, arXiv:2104.09864.

Parameters: 0. Beyond the trained length: defined everywhere, but with angles not seen in training; `linear`, `ntk` and
`dynamic` extend it to longer inputs.
"""

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from stackcli.pe.base import INDEXED, Base, Context, PositionEncoding, fit_base


def real_lengths(ctx: Context) -> Tensor:
    """Returns the number of positions from the first to the last real token of each sequence, (B,), or (1,) if all are
    equal."""
    pos = ctx.pos if ctx.pos.dim() == 2 or ctx.mask is None else ctx.pos.expand_as(ctx.mask)
    pos = pos if pos.dim() == 2 else pos[None]
    if ctx.mask is None:
        return pos.amax(1) - pos.amin(1) + 1
    most = torch.iinfo(pos.dtype).max
    first = pos.masked_fill(~ctx.mask, most).amin(1)
    return pos.masked_fill(~ctx.mask, -most).amax(1) - first + 1


class Rope(PositionEncoding):
    """Rotates queries and keys by pos / base^(2i/R) in each of R/2 planes, so that scores depend on offsets only.

    Of each head's E dimensions, R = int(share E) are rotated, as in transformers; the others stay. `layout` says which
    dimensions form a plane: (2i, 2i+1) interleaved, as in the paper, or (i, i + R/2) in two halves, as in GPT-NeoX and
    LLaMA. The two layouts differ by a fixed order of dimensions only.

    For inputs longer than in training: `linear` divides positions by a factor (Chen et al. 2023, arXiv:2306.15595).
    `ntk` multiplies the base by factor^(R/(R-2)), so that the slowest plane is stretched by the factor and the fastest
    hardly at all; this is the static NTK-aware rule, the same for every input. `dynamic` is the rule that depends on
    the input: for L positions, if L is more than the `dynamic` positions of training, the base is multiplied by
    (s L / dynamic - s + 1)^(R/(R-2)) with s = `stretch`; shorter inputs keep the base (transformers' rope_type dynamic,
    with max_position_embeddings = dynamic and factor = stretch). L counts the positions from the first to the last real
    token of each sequence, so in a causal stack the length of a text changes the base from its first token on. Raises
    ValueError if R is odd or 0.
    """

    common = INDEXED
    beyond = "defined"
    relative = True

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        max_len: int,
        base: Base = 10000.0,
        share: Annotated[float, Gt(0), Le(1)] = 1.0,
        layout: Literal["interleaved", "half"] = "interleaved",
        linear: Annotated[float, Ge(1), Le(1e6)] = 1.0,
        ntk: Annotated[float, Ge(1), Le(1e6)] = 1.0,
        dynamic: Annotated[int, Ge(0), Le(1_000_000)] = 0,
        stretch: Annotated[float, Ge(1), Le(1e6)] = 1.0,
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        head, self.turned = dim // heads, int(share * (dim // heads))  # R
        if self.turned == 0 or self.turned % 2:
            even = 2 * round(self.turned / 2) or 2
            raise ValueError(
                f"rope turns pairs of a head's dimensions: of {head}, pe.share={share:g} leaves {self.turned}"
                + (f"; write pe.share={even / head:g} for {even}" if even <= head else "")
            )
        self.layout, self.linear, self.dynamic, self.stretch = layout, linear, dynamic, stretch
        self.power = self.turned / (self.turned - 2) if self.turned > 2 else 1.0
        self.exponent = torch.arange(0, self.turned, 2, dtype=torch.float64) / self.turned  # (R/2,)
        whole = fit_base(base, width=self.turned, max_len=max_len) * ntk**self.power
        self.freq = whole**-self.exponent  # float64, so not a buffer: not every device supports it

    def angles(self, ctx: Context) -> Tensor:
        """Returns the angle of each position in each plane, (T, R/2), or (B, T, R/2) if sequences differ; float64."""
        device = "cpu" if ctx.pos.device.type == "mps" else ctx.pos.device  # Apple's GPUs have no float64
        angle: Tensor = ctx.pos.to(device)[..., None] / self.linear * self.freq.to(device)
        if not self.dynamic:
            return angle
        longer = (real_lengths(ctx).to(device).double() / self.dynamic).clamp(min=1)  # (1,) or (B,)
        grown = (self.stretch * longer - self.stretch + 1) ** self.power
        slower: Tensor = angle * grown[:, None, None] ** -self.exponent.to(device)  # (1, T, R/2) or (B, T, R/2)
        return slower

    def rotate(self, q: Tensor, k: Tensor, ctx: Context) -> tuple[Tensor, Tensor]:
        angle = self.angles(ctx)  # (T, R/2) or (B, T, R/2)
        angle = angle if angle.dim() == 2 else angle[:, None]
        cos, sin = angle.cos().to(q), angle.sin().to(q)
        return self.turn(q, cos, sin), self.turn(k, cos, sin)

    def turn(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Returns x (B, H, T, E) with its first R dimensions rotated."""
        moving, still = x[..., : self.turned], x[..., self.turned :]
        if self.layout == "half":
            a, b = moving.chunk(2, dim=-1)  # (B, H, T, R/2) each
            turned = torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)
        else:
            a, b = moving[..., 0::2], moving[..., 1::2]
            turned = torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)
        return torch.cat((turned, still), dim=-1) if still.shape[-1] else turned
