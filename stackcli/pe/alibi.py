"""Attention with linear biases (ALiBi), Press, Smith and Lewis 2022, sec. 3, arXiv:2108.12409.

Parameters: 0. Beyond the trained length: exact, because the bias depends on the offset only.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from stackcli.pe.base import INDEXED, Context, PositionEncoding, bias_by_offset, offsets


def slopes(heads: int) -> list[float]:
    """Returns the slope of each head: a geometric sequence from 2^(-8/n) for n heads. If n is not a power of two, it is
    the sequence of the next lower power m, then every other slope of the sequence of 2m, as in the authors' code."""
    lower = 1 << (heads.bit_length() - 1)
    own = [2 ** (-8 * i / lower) for i in range(1, lower + 1)]
    between = [2 ** (-8 * i / (2 * lower)) for i in range(1, 2 * lower + 1, 2)]
    return own + between[: heads - lower]


class Alibi(PositionEncoding):
    """Subtracts from each head's scaled scores its slope times the distance |i - j| between query i and key j.

    `form=symmetric`: all heads treat both directions alike; an encoder then cannot tell a text from its reversal.
    `form=asymmetric`: the first half of the heads sees keys up to the query, the other half keys from the query on,
    each half with the slopes of H/2 heads. `form=causal`, the paper's: every head sees keys up to the query only.
    `form=auto`: causal in a causal model, asymmetric in an encoder. Raises ValueError for an odd number of heads with
    `auto` or `asymmetric`.
    """

    common = INDEXED
    beyond = "exact"
    relative = True
    bias_of_positions = True

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        max_len: int,
        form: Literal["auto", "symmetric", "asymmetric", "causal"] = "auto",
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        if form in ("auto", "asymmetric") and heads % 2:
            raise ValueError(f"pe.form={form} needs an even number of heads, not heads={heads}; or pe.form=symmetric")
        self.form = form
        halves = slopes(heads // 2) * 2 if heads % 2 == 0 else slopes(heads)
        for name, steep in (("slope", slopes(heads)), ("half_slope", halves)):  # (H,) each
            self.register_buffer(name, torch.tensor(steep, dtype=torch.float64).float(), persistent=False)
        self.slope: Tensor
        self.half_slope: Tensor

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        form = self.form if self.form != "auto" else "causal" if ctx.causal else "asymmetric"
        slope = self.half_slope if form == "asymmetric" else self.slope
        offset = offsets(ctx).unsqueeze(-3)  # (1, T, T) or (B, 1, T, T), key minus query
        bias = -slope.to(q)[:, None, None] * offset.abs()  # (H, T, T) or (B, H, T, T)
        if form == "symmetric":
            return bias
        half = self.heads // 2 if form == "asymmetric" else self.heads
        back, ahead = bias[..., :half, :, :], bias[..., half:, :, :]
        return torch.cat((back.masked_fill(offset > 0, -torch.inf), ahead.masked_fill(offset < 0, -torch.inf)), dim=-3)

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        yield from bias_by_offset(self, self.heads)
