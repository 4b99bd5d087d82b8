"""Sinusoidal absolute position encoding, Vaswani et al. 2017, sec. 3.5, arXiv:1706.03762.

Parameters: 0. Beyond the trained length: defined everywhere, but with combinations of angles not seen in training.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Le
from torch import Tensor

from stackcli.pe.base import ADDITIVE, Base, Context, PositionEncoding, check_even, fit_base


class Sinusoidal(PositionEncoding):
    """Adds a vector with sin and cos of pos / base^(2i/D), times `scale`, in dimensions 2i and 2i+1 to the token's
    vector.

    The paper adds sinusoids of amplitude 1 (`scale=raw`) to token vectors of about unit size. 0.05 keeps that
    proportion for the small token vectors used here, and `matched` gives both the same energy. `base=auto` fits the
    base to max_len: with 10000 most dimensions hardly change over a short text. Raises ValueError for an odd dim.
    """

    common = ADDITIVE
    beyond = "defined"

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        max_len: int,
        base: Base = 10000.0,
        scale: Annotated[float, Gt(0), Le(1e6)] | Literal["raw", "matched"] = 0.05,
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        check_even(dim, "sinusoidal")
        self.scale = 1.0 if isinstance(scale, str) else scale  # matched: the model scales it
        # float64, so not a buffer: not every device supports it
        exponent = torch.arange(0, dim, 2, dtype=torch.float64) / dim  # (D/2,)
        self.freq = fit_base(base, width=dim, max_len=max_len) ** -exponent

    def at(self, pos: Tensor) -> Tensor:
        """Returns the vectors of integer positions: (...,) -> (..., D)."""
        device = "cpu" if pos.device.type == "mps" else pos.device  # Apple's GPUs have no float64
        angle = pos.to(device)[..., None] * self.freq.to(device)  # (..., D/2)
        return self.scale * torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        return x + self.at(ctx.pos).to(x)

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        pos = torch.arange(self.max_len)
        yield "table", pos, self.at(pos)
