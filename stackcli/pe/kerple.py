"""Kernelised relative bias (KERPLE), Chi et al. 2022, eq. 5 and 6, arXiv:2205.09921.

Parameters: 2 x H for each direction, shared by all layers. Beyond the trained length: exact, because the bias depends
on the offset only. Needs the explicit kernel.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from stackcli.pe.base import INDEXED, Context, PositionEncoding, bias_by_offset, offsets

LEAST = 0.01  # smallest value of r1 and r2, as in the authors' code


class Kerple(PositionEncoding):
    """Adds a learned decay with distance d = |i - j|: -r1 log(1 + r2 d) for `form=log`, -r1 d^r2 for `form=power`.

    The paper is causal. Here keys after the query have their own (r1, r2), so that an encoder can see the order; for
    keys up to the query the bias is the paper's. r1 is drawn from U(0, 2) and r2 from U(0, 1); both are kept at 0.01 or
    more, and r2 of `power` at 2 or less, where the kernel is still conditionally positive definite.
    """

    common = INDEXED
    beyond = "exact"
    relative = True
    bias_of_positions = True

    def __init__(self, *, dim: int, heads: int, max_len: int, form: Literal["log", "power"] = "log") -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        self.form = form
        self.r1 = nn.Parameter(2 * torch.rand(2, heads))  # (2, H): keys up to the query, keys after it
        self.r2 = nn.Parameter(torch.rand(2, heads))

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        offset = offsets(ctx).unsqueeze(-3)  # (1, T, T) or (B, 1, T, T)
        after = offset > 0
        r1, r2 = (torch.where(after, r[1], r[0]) for r in (self._wide(self.r1), self._wide(self.r2)))
        distance = offset.abs().to(r1)
        if self.form == "log":
            return -r1 * (1 + r2 * distance).log()
        return -r1 * torch.where(distance > 0, distance.clamp(min=1).pow(r2.clamp(max=2)), 0)

    def _wide(self, r: Tensor) -> Tensor:
        return r.clamp(min=LEAST)[:, :, None, None]  # (2, H, 1, 1)

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        yield from bias_by_offset(self, self.heads)
