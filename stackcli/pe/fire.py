"""Functional interpolation for relative positions (FIRE), Li et al. 2024, eq. 2 to 4, arXiv:2310.04418.

Parameters: W H + 2 W + 2 for W hidden units, shared by all layers. Beyond the trained length: designed for it, because
offsets are divided by the query's position. Needs the explicit kernel.
"""

from collections.abc import Iterator
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from stackcli.pe._perceptron import Perceptron
from stackcli.pe.base import INDEXED, Context, PositionEncoding, Work, bias_by_offset, offsets


class Fire(PositionEncoding):
    """Adds the bias f(psi(i - j) / psi(max(L, i))) with psi(x) = log(c x + 1). f is a perceptron with one hidden layer
    and an output for each head; c and the threshold L are learned.

    The paper is causal. In an encoder the input of f is s psi(|i - j|) / psi(max(L, i, j)), with s = -1 for keys after
    the query; for keys up to the query this is the paper's. Below L the bias depends on offsets only. The output of f
    has no constant, because the softmax would ignore it.
    """

    common = INDEXED
    beyond = "defined"
    relative = True  # as long as no position reaches the threshold
    bias_of_positions = True

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        max_len: int,
        width: Annotated[int, Ge(1), Le(100_000)] = 32,
        threshold: Annotated[float, Gt(0), Le(1e9)] = 512.0,
        c: Annotated[float, Gt(0), Le(1e6)] = 0.1,
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        self.c = nn.Parameter(torch.tensor(c))
        self.start, self.relative = threshold, max_len <= threshold
        self.stretch = nn.Parameter(torch.tensor(1.0))  # L = |stretch| x threshold
        self.inner, self.outer = nn.Linear(1, width), nn.Linear(width, heads, bias=False)

    def psi(self, x: Tensor) -> Tensor:
        return ((self.c * x).abs() + 1).log()

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        offset = -offsets(ctx)  # query minus key: (T, T) or (B, T, T)
        farther = torch.maximum(ctx.pos.to(self.c)[..., None, :], ctx.at.to(self.c)[..., :, None])
        ahead = torch.maximum(farther, (self.stretch * self.start).abs())
        x = offset.sign() * self.psi(offset.abs().to(self.c)) / self.psi(ahead)
        weights = self.inner.weight, self.inner.bias[:, None], self.outer.weight
        found: Tensor = Perceptron.apply(x.reshape(-1, *x.shape[-2:]), *weights)  # type: ignore[no-untyped-call]
        return found.view(*x.shape[:-2], self.heads, *x.shape[-2:])  # (H, T, T) or (B, H, T, T)

    def flops(self, length: int, work: Work) -> int:
        return 2 * work.scores * self.inner.out_features * self.heads

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        yield from bias_by_offset(self, self.heads)
