"""Structural positions, Wang et al. 2019, sec. 3, arXiv:1909.00383: depth in a tree, or path between two tokens.

Parameters: 2 D^2 for `form=absolute`; 2 x (2 clip + 1) x E for `form=relative`, shared by all layers. Needs data with
trees. Beyond the trained length: defined; what counts is the depth of the tree, not the length of the text.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from stackcli.pe._tables import add_on_keys, draw_table, on_keys, on_values
from stackcli.pe.base import Context, PositionEncoding, Work, check_even


def depths(tree: Tensor) -> Tensor:
    """Returns the distance of each token from its root: parents (B, T), where a root is its own parent -> (B, T)."""
    depth, at = torch.zeros_like(tree), tree
    here = torch.arange(tree.shape[1], device=tree.device).expand_as(tree)
    while bool((at != here).any()):
        depth = depth + (at != here).to(depth.dtype)
        here, at = at, tree.gather(1, at)
    return depth


def above(tree: Tensor) -> Tensor:
    """Returns True if token j is token i or one of its ancestors, (B, T, T)."""
    B, T = tree.shape
    out = torch.zeros(B, T, T, dtype=torch.bool, device=tree.device)
    at = torch.arange(T, device=tree.device).expand(B, T)
    while True:
        out = out.scatter(2, at[..., None], True)
        if torch.equal(up := tree.gather(1, at), at):
            return out
        at = up


def paths(tree: Tensor) -> Tensor:
    """Returns R_ij of the paper, (B, T, T): depth of i minus depth of j if one is an ancestor of the other, else the
    sum of their depths, negative if token i comes first in the text."""
    depth, over = depths(tree), above(tree)
    i, j = depth[:, :, None], depth[:, None, :]
    at = torch.arange(tree.shape[1], device=tree.device)
    sign = (at[:, None] - at[None, :]).sign()
    return torch.where(over | over.transpose(1, 2), i - j, sign * (i + j))


class Structural(PositionEncoding):
    """Encodes the depth of a token in a tree, or the tree path between two tokens.

    `form=absolute` adds scale tanh(U S(position) + V S(depth)) to a token's vector, with S the sinusoid and U and V
    learned: text and tree together, as in the paper. `form=relative` adds vectors of the clipped tree path between
    query and key to keys and values, as in Shaw et al. 2018; of the text's order it uses only which token comes first.

    The data give the tree as the index of each token's parent, for a root its own index. Raises ValueError for data
    without trees, and for an odd dim with `absolute`.
    """

    beyond = "defined"
    relative = True  # a shift of positions does not change the tree, but it does change `absolute`
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
    def by_pairs(self) -> bool:
        return self.form == "absolute"  # paths are found for all pairs at once

    @property
    def every_block(self) -> bool:
        return self.form == "relative"

    def tree(self, ctx: Context) -> Tensor:
        if ctx.tree is None:
            raise ValueError("pe=structural needs data that carry a tree (data=tree, listops or conllu)")
        return ctx.tree

    def sinusoid(self, at: Tensor) -> Tensor:
        """Returns the sinusoids of whole numbers: (...,) -> (..., D)."""
        angle = at.cpu()[..., None] * self.freq  # (..., D/2)
        return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        tree = self.tree(ctx)
        if self.of_text is None or self.of_tree is None:
            return x
        text, depth = (self.sinusoid(at).to(x) for at in (ctx.pos, depths(tree)))
        return x + self.scale * (text @ self.of_text.T + depth @ self.of_tree.T).tanh()

    def row(self, ctx: Context) -> Tensor:
        """Returns the row of the tables for each (query, key), (B, T, T)."""
        tree = self.tree(ctx)
        return ctx.keep(("paths", self.clip), lambda: paths(tree).clamp(-self.clip, self.clip) + self.clip)

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor | None:
        return None if self.key is None else on_keys(q, self.key, self.row(ctx))

    def add_bias(self, scores: Tensor, q: Tensor, k: Tensor, ctx: Context) -> Tensor | None:
        return None if self.key is None else add_on_keys(scores, q, self.key, self.row(ctx))

    def mix(self, weights: Tensor, ctx: Context) -> Tensor | None:
        return None if self.value is None else on_values(weights, self.value, self.row(ctx))

    def flops(self, length: int, work: Work) -> int:
        return 4 * length * self.dim * (self.dim if self.key is None else 2 * self.clip + 1)

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        at = torch.arange(-self.clip, self.clip + 1)
        yield from ((name, at, t) for name, t in (("keys", self.key), ("values", self.value)) if t is not None)
