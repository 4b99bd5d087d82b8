"""Bucketed relative bias, Raffel et al. 2020, sec. 2.1, arXiv:1910.10683 (T5).

Parameters: buckets x H, shared by all layers. Beyond the trained length: exact, because all offsets from `reach` on
share the last bucket. Needs the explicit kernel.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from stackcli.pe.base import INDEXED, Context, PositionEncoding, bias_by_offset, offsets


def bucket(offset: Tensor, *, buckets: int, reach: int, both: bool) -> Tensor:
    """Returns the bucket of key position minus query position, any shape. Half of the buckets hold one offset each; the
    width of the others grows logarithmically up to `reach`. With `both`, keys after the query have their own buckets,
    else they fall into bucket 0."""
    if both:
        buckets //= 2
    side = (offset > 0) * buckets if both else torch.zeros_like(offset)
    distance = offset.abs() if both else (-offset).clamp(min=0)
    exact = buckets // 2
    far = (distance.clamp(min=1).double() / exact).log() / math.log(reach / exact) * (buckets - exact)
    wide = (exact + far.to(offset.dtype)).clamp(max=buckets - 1)
    return side + torch.where(distance < exact, distance, wide)


class T5(PositionEncoding):
    """Adds a learned number for each head and bucket of offsets to the scaled scores.

    T5 itself does not scale the scores and includes 1/sqrt(E) in the initial weights instead. `form=both` has buckets
    for both directions, as in T5's encoder. `form=causal` uses all buckets for keys up to the query, as in its decoder;
    later keys share bucket 0. `form=auto` is `causal` in a causal model, else `both`. The numbers are drawn with
    standard deviation D^-0.5, as in the authors' code. Raises ValueError if `buckets` and `reach` do not fit together.
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
        buckets: Annotated[int, Ge(4), Le(100_000)] = 32,
        reach: Annotated[int, Ge(2), Le(1_000_000)] = 128,
        form: Literal["auto", "causal", "both"] = "auto",
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        self.buckets, self.reach, self.form = buckets, reach, form
        multiple, exact = 2 if form == "causal" else 4, buckets // (4 if form == "both" else 2)
        if buckets % multiple or reach <= exact:
            raise ValueError(
                f"t5 needs pe.buckets a multiple of {multiple} and pe.reach above {exact}, "
                f"not pe.buckets={buckets} pe.reach={reach}"
            )
        self.table = nn.Parameter(torch.randn(buckets, heads) * dim**-0.5)  # (buckets, H)

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        both = self.form == "both" or (self.form == "auto" and not ctx.causal)
        at = bucket(offsets(ctx), buckets=self.buckets, reach=self.reach, both=both)  # (T, T) or (B, T, T)
        return self.table[at].movedim(-1, -3)  # (H, T, T) or (B, H, T, T)

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        yield from bias_by_offset(self, self.heads)
