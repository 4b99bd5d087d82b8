"""Rotary position embedding, Su et al. 2021, eq. 34, arXiv:2104.09864.

Parameters: 0. Beyond the trained length: defined everywhere, but angles that training never saw; `linear` and `ntk`
stretch it.
"""

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from stackcli.pe.base import INDEXED, Base, Context, PositionEncoding, fitted


class Rope(PositionEncoding):
    """Queries and keys are turned by pos / base^(2i/R) in each of R/2 planes, so that their product sees offsets alone.

    `share` of each head's E dimensions is turned (R, an even number), the rest stays. `layout` says which dimensions
    make a plane: (2i, 2i+1) interleaved, as in the paper, or (i, i + R/2) in two halves, as in GPT-NeoX and LLaMA; the
    two are one up to a fixed order of dimensions. For inputs longer than trained `linear` divides positions by a factor
    (Chen et al. 2023, arXiv:2306.15595), `ntk` multiplies the base by factor^(R/(R-2)), so that the slowest plane
    stretches by the factor and the fastest hardly. Raises ValueError where no pair of dimensions is left to turn.
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
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        self.turned = 2 * int(share * (dim // heads) / 2)  # R
        if self.turned == 0:
            raise ValueError(
                f"rope turns pairs of a head's dimensions; none is left of {dim // heads} x pe.share={share:g}"
            )
        self.layout, self.linear = layout, linear
        stretch = ntk ** (self.turned / (self.turned - 2)) if self.turned > 2 else ntk
        exponent = torch.arange(0, self.turned, 2, dtype=torch.float64) / self.turned  # (R/2,)
        whole = fitted(base, width=self.turned, max_len=max_len)
        self.freq = (whole * stretch) ** -exponent  # float64, and so no buffer: not every device can hold one

    def angles(self, pos: Tensor) -> Tensor:
        """Integer positions (...,) -> the angle in each plane, (..., R/2), float64."""
        device = "cpu" if pos.device.type == "mps" else pos.device  # Apple's GPUs have no float64
        return pos.to(device)[..., None] / self.linear * self.freq.to(device)

    def rotate(self, q: Tensor, k: Tensor, ctx: Context) -> tuple[Tensor, Tensor]:
        angle = self.angles(ctx.pos)  # (T, R/2) or (B, T, R/2)
        angle = angle if angle.dim() == 2 else angle[:, None]
        cos, sin = angle.cos().to(q), angle.sin().to(q)
        return self.turn(q, cos, sin), self.turn(k, cos, sin)

    def turn(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x (B, H, T, E) with its first R dimensions turned."""
        moving, still = x[..., : self.turned], x[..., self.turned :]
        if self.layout == "half":
            a, b = moving.chunk(2, dim=-1)  # (B, H, T, R/2) each
            turned = torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)
        else:
            a, b = moving[..., 0::2], moving[..., 1::2]
            turned = torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)
        return torch.cat((turned, still), dim=-1) if still.shape[-1] else turned
