"""Structural positions, Wang et al. 2019, sec. 3, arXiv:1909.00383: a token's depth in a tree, or the path between two.

Parameters: 2 D^2 for `form=absolute`; 2 x (2 clip + 1) x E for `form=relative`, shared by all layers. Needs data that
carry a tree. Beyond the trained length: defined by the tree, whose depth and not the text's length decides.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from stackcli.pe._tables import draw_table, on_keys, on_values
from stackcli.pe.base import Context, PositionEncoding, check_even


def depths(tree: Tensor) -> Tensor:
    """Distance of each token from its root: parents (B, T), a root being its own parent -> (B, T)."""
    depth, at = torch.zeros_like(tree), tree
    here = torch.arange(tree.shape[1], device=tree.device).expand_as(tree)
    while bool((at != here).any()):
        depth = depth + (at != here).to(depth.dtype)
        here, at = at, tree.gather(1, at)
    return depth


def above(tree: Tensor) -> Tensor:
    """(B, T, T): True where token j is token i or stands above it on its way to the root."""
    B, T = tree.shape
    out = torch.zeros(B, T, T, dtype=torch.bool, device=tree.device)
    at = torch.arange(T, device=tree.device).expand(B, T)
    while True:
        out = out.scatter(2, at[..., None], True)
        if torch.equal(up := tree.gather(1, at), at):
            return out
        at = up


def paths(tree: Tensor) -> Tensor:
    """R_ij of the paper, (B, T, T): depth of i minus depth of j where one stands above the other; elsewhere the sum of
    their depths, negative where token i comes first in the text."""
    depth, over = depths(tree), above(tree)
    i, j = depth[:, :, None], depth[:, None, :]
    at = torch.arange(tree.shape[1], device=tree.device)
    sign = (at[:, None] - at[None, :]).sign()
    return torch.where(over | over.transpose(1, 2), i - j, sign * (i + j))


class Structural(PositionEncoding):
    """`form=absolute`: scale tanh(U S(position) + V S(depth)), added to a token's vector, with S the sinusoid, U and V
    learned: text and tree together, as in the paper. `form=relative`: vectors of the clipped tree path between query
    and key, added to keys and values as in Shaw et al. 2018; of the text's order only which token comes first is seen.

    The trees come with the data as the index of each token's parent, a root's being its own. Raises ValueError for data
    without trees, and for an odd dim with `absolute`.
    """

    beyond = "defined"
    relative = True  # a shift of positions changes no tree; `absolute` sees it
    needs_tree = True
    maps = ("of_text", "of_tree")

    def __init__(
        self,
        *,
        dim: int,
        heads: int,
        max_len: int,
        form: Literal["absolute", "relative"] = "relative",
        clip: Annotated[int, Ge(0), Le(100_000)] = 16,
        base: Annotated[float, Gt(1), Le(1e12)] = 10000.0,
        scale: Annotated[float, Gt(0), Le(1e6)] = 0.05,
    ) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        self.form, self.clip, self.scale = form, clip, scale
        self.relative = form == "relative"
        self.key = self.value = self.of_text = self.of_tree = None
        if form == "absolute":
            check_even(dim, "structural")
            self.freq = base ** -(torch.arange(0, dim, 2, dtype=torch.float64) / dim)  # (D/2,)
            self.of_text, self.of_tree = (nn.Parameter(torch.randn(dim, dim) / dim**0.5) for _ in range(2))
        else:
            self.key, self.value = (draw_table(2 * clip + 1, dim // heads) for _ in range(2))  # (2 clip + 1, E)

    @property
    def fused(self) -> bool:
        return self.form == "absolute"

    @property
    def every_block(self) -> bool:
        return self.form == "relative"

    def tree(self, ctx: Context) -> Tensor:
        if ctx.tree is None:
            raise ValueError("pe=structural needs data that carry a tree (data=tree, listops or conllu)")
        return ctx.tree

    def sinusoid(self, at: Tensor) -> Tensor:
        """Whole numbers (...,) -> (..., D)."""
        angle = at.cpu()[..., None] * self.freq  # (..., D/2)
        return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        tree = self.tree(ctx)
        if self.of_text is None or self.of_tree is None:
            return x
        text, depth = (self.sinusoid(at).to(x) for at in (ctx.pos, depths(tree)))
        return x + self.scale * (text @ self.of_text.T + depth @ self.of_tree.T).tanh()

    def row(self, ctx: Context) -> Tensor:
        return paths(self.tree(ctx)).clamp(-self.clip, self.clip) + self.clip  # (B, T, T)

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor | None:
        return None if self.key is None else on_keys(q, self.key, self.row(ctx))

    def mix(self, weights: Tensor, ctx: Context) -> Tensor | None:
        return None if self.value is None else on_values(weights, self.value, self.row(ctx))

    def flops(self, length: int) -> int:
        return 4 * length * self.dim * (self.dim if self.key is None else 2 * self.clip + 1)

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        at = torch.arange(-self.clip, self.clip + 1)
        yield from ((name, at, t) for name, t in (("keys", self.key), ("values", self.value)) if t is not None)
