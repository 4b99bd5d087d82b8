"""The interface of every position encoding: four hooks, each of which does nothing.

Shapes: B batch, T positions, D width, H heads, E = D / H.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from stackcli.common.registry import Key

INDEXED: Mapping[str, Key] = {  # of encodings that read positions
    "randomised": Key(bool, False),
    "range": Key(Annotated[int, Ge(1), Le(1_000_000)], 2048),
}
ADDITIVE: Mapping[str, Key] = {  # of encodings that add a vector for each position to the tokens
    "dim": Key(Annotated[int, Ge(0), Le(65_536)], 0),
    "scale": Key(Literal["raw", "matched"], "raw"),
    **INDEXED,
    "loss": Key(Literal["none", "order", "smooth"], "none"),  # on the encoding alone, beside the task's
    "loss_weight": Key(Annotated[float, Gt(0), Le(1e6)], 0.1),
    "pretrain": Key(Annotated[int, Ge(0), Le(1_000_000)], 0),  # steps on that loss before training
}


@dataclass(frozen=True)
class Context:
    """Where the tokens of a batch stand.

    pos: integer positions, (T,) or (B, T). mask: True on real tokens, (B, T); None where nothing is padded.
    tree: index of each token's parent, a root's being its own, (B, T); None where the data carry no tree.
    causal: whether a token may see earlier tokens only.
    """

    pos: Tensor
    mask: Tensor | None = None
    tree: Tensor | None = None
    causal: bool = False


class PositionEncoding(nn.Module):
    """No encoding: the base of all, and `pe=none` itself.

    Random draws belong in the constructor; the model puts PyTorch's generator at the part's own address around it.

    Weight decay reaches the weights of `nn.Linear` and convolutions and the parameters named in `maps`. Vectors and
    tables of vectors are not decayed, so a row that training never reaches stays as it was drawn.
    """

    per_layer = False  # True: every block has an instance of its own; a key `layers` (own, shared) decides otherwise
    common: ClassVar[Mapping[str, Key]] = {}  # keys that the model sees to: ADDITIVE, INDEXED
    beyond: Literal["exact", "defined", "refused"] = "exact"  # at positions that training never reached
    relative = False  # whether a shift of all positions changes nothing
    needs_tree = False
    maps: ClassVar[tuple[str, ...]] = ()  # names of its own parameters that are matrices of linear maps; see below
    causal = False  # whether the model lets a token see earlier tokens only; the model sets it
    randomised = False  # whether positions are drawn, and so are not consecutive; the model sets it

    def __init__(self, *, dim: int, heads: int, max_len: int) -> None:
        super().__init__()
        self.dim, self.heads, self.max_len = dim, heads, max_len

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        """Token vectors (B, T, D) -> the same; called once, before block 1."""
        return x

    def rotate(self, q: Tensor, k: Tensor, ctx: Context) -> tuple[Tensor, Tensor]:
        """Queries and keys (B, H, T, E) -> the same; called in every block."""
        return q, k

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor | None:
        """Added to the scaled scores: broadcastable to (B, H, T, T); None adds nothing."""
        return None

    def mix(self, weights: Tensor, ctx: Context) -> Tensor | None:
        """Added to the attention output: broadcastable to (B, H, T, E); None adds nothing."""
        return None

    @property
    def fused(self) -> bool:
        """Whether the fused kernel can carry it: no `mix`, and no bias that needs a gradient."""
        kind = type(self)
        learned_bias = kind.bias is not PositionEncoding.bias and any(True for _ in self.parameters())
        return kind.mix is PositionEncoding.mix and not learned_bias

    @property
    def every_block(self) -> bool:
        """Whether its work is done in every block, and not once before the first."""
        return type(self).embed is PositionEncoding.embed

    def flops(self, length: int) -> int:
        """Multiply-adds x 2 of the hooks for a sequence: in one block where they work in every block, else in all."""
        return 0

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """What can be drawn: (name, index of the rows (N,), rows (N, dimensions)); rows of positions or of offsets."""
        return iter(())


class Adjusted(PositionEncoding):
    """An additive encoding of `width` dimensions, projected up to D where that is more, and times a factor.

    With `matched` the factor gives the vectors of positions 0 .. max_len - 1 the mean square `energy` a number has in
    the token vectors; the projection keeps the mean square of what it projects.
    """

    maps = ("project",)

    def __init__(self, inner: PositionEncoding, *, dim: int, width: int, energy: float | None) -> None:
        super().__init__(dim=dim, heads=1, max_len=inner.max_len)
        self.inner, self.width = inner, width
        self.beyond, self.relative, self.needs_tree = inner.beyond, inner.relative, inner.needs_tree
        self.project = nn.Parameter(torch.randn(dim, width) / width**0.5) if width != dim else None  # (D, width)
        self.factor = 1.0
        if energy is not None:
            with torch.no_grad():
                rows = next(rows for _, _, rows in self.tables())
            self.factor = (energy / float(rows.double().square().mean())) ** 0.5

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        added = self.inner.embed(x.new_zeros(*x.shape[:-1], self.width), ctx)  # (B, T, width)
        return x + self.up(added)

    def up(self, rows: Tensor) -> Tensor:
        """Rows (..., width) -> (..., D)."""
        return self.factor * (rows if self.project is None else rows @ self.project.to(rows).T)

    def flops(self, length: int) -> int:
        return self.inner.flops(length) + (0 if self.project is None else 2 * length * self.project.numel())

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        yield from ((name, at, self.up(rows)) for name, at, rows in self.inner.tables())


REACH = 64  # offsets on either side for which a bias is drawn


def bias_by_offset(pe: PositionEncoding, heads: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The bias of a query in the middle of 2 REACH + 1 positions as a table: (offset, head); what is masked is NaN, in
    a causal model every key after the query."""
    like = next((p for p in pe.parameters()), torch.zeros(1))
    q = like.new_zeros(1, heads, 2 * REACH + 1, 1)
    with torch.no_grad():
        found = pe.bias(q, q, Context(torch.arange(2 * REACH + 1, device=like.device), causal=pe.causal))
    assert found is not None
    rows = found.expand(1, heads, *found.shape[-2:])[0, :, REACH, :].T  # (2 REACH + 1, H)
    at = torch.arange(-REACH, REACH + 1)
    unseen = rows.isinf() | (pe.causal & (at > 0)[:, None]).to(rows.device)
    yield "bias", at, rows.masked_fill(unseen, float("nan"))


def offsets(ctx: Context) -> Tensor:
    """Key position minus query position: (T, T), or (B, T, T) where positions differ between sequences."""
    return ctx.pos[..., None, :] - ctx.pos[..., :, None]


Base = Annotated[float, Gt(1), Le(1e12)] | Literal["auto"]  # of a geometric sequence of frequencies


def fit_base(base: float | str, *, width: int, max_len: int) -> float:
    """The base of frequencies base^(-2i/width): as given, or for `auto` such that the slowest of the width/2 pairs
    makes a quarter turn over max_len positions, so that no dimension is (nearly) the same at every position."""
    if not isinstance(base, str):
        return base
    return float(max(2.0, (2 * max_len / math.pi) ** (width / max(width - 2, 1))))


def check_even(dim: int, who: str) -> None:
    """Raises ValueError where the width cannot be split into pairs."""
    if dim % 2:
        raise ValueError(f"{who} needs an even dim, not dim={dim}; try dim={dim + 1}")


def check_reach(pos: Tensor, rows: int, who: str) -> None:
    """Raises ValueError where a position lies beyond the table."""
    if pos.numel() and (int(pos.max()) >= rows or int(pos.min()) < 0):
        raise ValueError(f"{who} has rows for positions 0 to {rows - 1}, not for {int(pos.min())} to {int(pos.max())}")
