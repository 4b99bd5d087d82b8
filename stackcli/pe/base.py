"""The interface of a position encoding: four hooks, which do nothing by default.

Shapes: B batch, T positions, D width, H heads, E = D / H.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from stackcli.common.registry import Key

Kept = TypeVar("Kept")

INDEXED: Mapping[str, Key] = {  # keys of encodings that read positions
    "randomised": Key(bool, False),
    "range": Key(Annotated[int, Ge(1), Le(1_000_000)], 2048),
}
ADDITIVE: Mapping[str, Key] = {  # keys of encodings that add a vector for each position to the tokens
    "dim": Key(Annotated[int, Ge(0), Le(65_536)], 0),
    "scale": Key(Literal["raw", "matched"], "raw"),
    **INDEXED,
    "loss": Key(Literal["none", "order", "smooth"], "none"),  # a loss on the encoding only, added to that of the task
    "loss_weight": Key(Annotated[float, Gt(0), Le(1e6)], 0.1),
    "pretrain": Key(Annotated[int, Ge(0), Le(1_000_000)], 0),  # steps on that loss before training
}


class Work(NamedTuple):
    """What attention computes for one sequence and head: rows of queries, rows of keys, and scores. In full attention
    they are T, T and T^2. `dense`: whether all queries meet all keys at once."""

    queries: int
    keys: int
    scores: int
    dense: bool = True


@dataclass(frozen=True)
class Context:
    """The positions of the tokens of a batch.

    pos: integer positions, (T,) or (B, T). mask: True on real tokens, (B, T); None if nothing is padded.
    tree: index of each token's parent, for a root its own index, (B, T); None if the data carry no tree.
    causal: whether a token may attend to itself and earlier tokens only.
    queries: in a piece of sparse attention the positions of its queries, (N, b) or (B, N, b); `pos` has those of its
    keys then, (N, K) or (B, N, K). None if queries and keys are the same tokens.
    kept: results of `keep`, by name; None if nothing is kept.
    """

    pos: Tensor
    mask: Tensor | None = None
    tree: Tensor | None = None
    causal: bool = False
    queries: Tensor | None = None
    kept: dict[Hashable, Any] | None = field(default=None, repr=False, compare=False)

    def keep(self, name: Hashable, make: Callable[[], Kept]) -> Kept:
        """Returns what `make` computes; in a forward pass of the stack it is computed once and shared by all blocks."""
        if self.kept is None:
            return make()
        if name not in self.kept:
            self.kept[name] = make()
        found: Kept = self.kept[name]
        return found

    @property
    def at(self) -> Tensor:
        """Positions of the queries."""
        return self.pos if self.queries is None else self.queries


class PositionEncoding(nn.Module):
    """Base class of all position encodings; by itself it encodes nothing.

    Draw random numbers in the constructor only: the model seeds PyTorch's generator by the address of the part there.

    Weight decay applies to the weights of `nn.Linear` and convolutions and to the parameters named in `maps`. Vectors
    and tables of vectors are not decayed, so a row that training never uses keeps its initial value.
    """

    per_layer = False  # whether every block has its own instance; a key `layers` (own, shared) overrides it
    common: ClassVar[Mapping[str, Key]] = {}  # keys that the model implements: ADDITIVE, INDEXED
    beyond: Literal["exact", "defined", "refused"] = "exact"  # at positions not seen in training
    relative = False  # whether the output ignores a shift of all positions
    needs_tree = False
    bias_of_positions = False  # whether `bias` depends on positions only, so that one serves all blocks of a batch
    maps: ClassVar[tuple[str, ...]] = ()  # names of its parameters that are matrices of linear maps, and so are decayed
    causal = False  # whether attention is causal; set by the model
    randomised = False  # whether positions are drawn at random, and so are not consecutive; set by the model

    def __init__(self, *, dim: int, heads: int, max_len: int) -> None:
        super().__init__()
        self.dim, self.heads, self.max_len = dim, heads, max_len

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        """Transforms token vectors (B, T, D); called once, before block 1."""
        return x

    def rotate(self, q: Tensor, k: Tensor, ctx: Context) -> tuple[Tensor, Tensor]:
        """Transforms queries and keys (B, H, T, E); called in every block."""
        return q, k

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor | None:
        """Returns what is added to the scaled scores, broadcastable to (B, H, T, T); None adds nothing. In a piece of
        sparse attention q is (B, N, H, b, E), k is (B, N, H, K, E) and the scores are (B, N, H, b, K)."""
        return None

    def add_bias(self, scores: Tensor, q: Tensor, k: Tensor, ctx: Context) -> Tensor | None:
        """Adds the bias to the scaled scores (B, H, T, T) in place and returns them, where that takes fewer passes over
        memory than adding what `bias` returns; None: attention adds it."""
        return None

    def mix(self, weights: Tensor, ctx: Context) -> Tensor | None:
        """Returns what is added to the attention output, broadcastable to (B, H, T, E); None adds nothing."""
        return None

    @property
    def by_pairs(self) -> bool:
        """Whether `bias` and `mix` can be computed for chosen pairs of tokens, as sparse attention needs."""
        return True

    @property
    def fused(self) -> bool:
        """Whether the fused kernel supports it: it has no `mix`, and no bias that needs a gradient."""
        kind = type(self)
        learned_bias = kind.bias is not PositionEncoding.bias and any(True for _ in self.parameters())
        return kind.mix is PositionEncoding.mix and not learned_bias

    @property
    def every_block(self) -> bool:
        """Whether it is computed in every block instead of once before block 1."""
        return type(self).embed is PositionEncoding.embed

    def flops(self, length: int, work: Work) -> int:
        """Returns the FLOPs (2 for a multiply-add) of the hooks for one sequence: for one block if they are computed in
        every block, else in total. `work`: what attention computes."""
        return 0

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yields tables for figures: (name, positions or offsets of the rows (N,), rows (N, dimensions))."""
        return iter(())


class Adjusted(PositionEncoding):
    """An additive encoding of `width` dimensions, projected to D dimensions if D is larger, and scaled by a factor.

    If `energy` is given (`scale=matched`), the factor gives the vectors of positions 0 .. max_len - 1 that mean square,
    which is that of the token vectors. On average the projection keeps the mean square of its input.
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
        """Projects and scales rows (..., width) -> (..., D)."""
        return self.factor * (rows if self.project is None else rows @ self.project.to(rows).T)

    def flops(self, length: int, work: Work) -> int:
        return self.inner.flops(length, work) + (0 if self.project is None else 2 * length * self.project.numel())

    def tables(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        yield from ((name, at, self.up(rows)) for name, at, rows in self.inner.tables())


REACH = 64  # offsets on either side in figures of a bias


def bias_by_offset(pe: PositionEncoding, heads: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yields the bias of a query in the middle of 2 REACH + 1 positions as a table (offset, head); masked keys are NaN,
    and in a causal model every key after the query."""
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
    """Returns key position minus query position: (T, T), or (B, T, T) if positions differ between sequences; in a piece
    (N, b, K) or (B, N, b, K)."""
    return ctx.pos[..., None, :] - ctx.at[..., :, None]


def consecutive(ctx: Context) -> bool:
    """Returns True if queries and keys are the same tokens and each position is one more than that before it."""
    return ctx.queries is None and ctx.pos.dim() == 1 and bool((ctx.pos.diff() == 1).all())


Base = Annotated[float, Gt(1), Le(1e12)] | Literal["auto"]  # of a geometric sequence of frequencies


def fit_base(base: float | str, *, width: int, max_len: int) -> float:
    """Returns the base of the frequencies base^(-2i/width): as given, or for `auto` the base with which the slowest of
    the width/2 pairs makes a quarter turn over max_len positions, so that no dimension is nearly constant."""
    if not isinstance(base, str):
        return base
    return float(max(2.0, (2 * max_len / math.pi) ** (width / max(width - 2, 1))))


def check_even(dim: int, who: str) -> None:
    """Raises ValueError if the width cannot be split into pairs."""
    if dim % 2:
        raise ValueError(f"{who} needs an even dim, not dim={dim}; try dim={dim + 1}")


def check_reach(pos: Tensor, rows: int, who: str) -> None:
    """Raises ValueError if a position is outside the table."""
    if pos.numel() and (int(pos.max()) >= rows or int(pos.min()) < 0):
        raise ValueError(f"{who} has rows for positions 0 to {rows - 1}, not for {int(pos.min())} to {int(pos.max())}")
