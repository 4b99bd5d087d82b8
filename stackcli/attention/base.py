"""The interface of a kind of attention: which keys a query may attend to, besides the padding and causal masks, and
what is done to scores, weights and outputs.

Shapes: B batch, T positions, D width, H heads, E = D / H; a piece has N blocks of b queries and K keys each.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

Sees = Callable[[Tensor, Tensor], Tensor]  # (indices of queries, indices of keys) -> True where a query sees a key
Rotate = Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]  # q, k, positions, mask -> q, k


class Piece(NamedTuple):
    """Blocks of queries with the keys that they look at, so that no T x T tensor is needed.

    queries: indices (N, b); keys: indices (N, K). Entries beyond the sequence are 0 and marked in `empty`.
    allowed: True where a query attends to a key, (N, b, K). empty: True where a block has no query, (N, b).
    """

    queries: Tensor
    keys: Tensor
    allowed: Tensor
    empty: Tensor


class Pieces(NamedTuple):
    """The pieces that cover all pairs of a pattern, each pair once. `merged`: every piece has all queries, and the
    softmax of a query goes over the keys of all pieces; else every query is in one piece."""

    pieces: tuple[Piece, ...]
    merged: bool = False


class Extended(NamedTuple):
    """Queries and keys, rotated by the encoding, where a kind adds keys to those of the tokens: K' keys, the T tokens
    first.

    q: (B, H, T, E). k, v: (B, H, K', E). pos: positions of the keys, (K',) or (B, K'). mask: True on real keys,
    (B, K'); None without padding. added: what is added to the scores of each key, (B or 1, H or 1, K').
    """

    q: Tensor
    k: Tensor
    v: Tensor
    pos: Tensor
    mask: Tensor | None
    added: Tensor


class Pattern(nn.Module):
    """Base class; by itself it is full attention. Its constructor takes its own keys, and of `dim`, `heads`, `max_len`,
    `causal`, `seed` and `layer` those that it names. A pattern depends on the order of tokens in the sequence, not on
    the positions given to the encoding.

    A sparse kind defines `sees` and `cut`. A kind that adds keys defines `extend`, `fold`, `cut` and `whole`. Other
    kinds change scores, weights or outputs.
    """

    short = 256  # tokens; below, all pairs are computed with a mask, as one product is faster than many small ones
    share = 4  # pieces are used if they have at most 1/4 of all scores, or 1/8 if merged; else all pairs were faster
    fused = True  # whether the fused kernel computes it: the scores and weights are left as they are
    scored = True  # whether it has scores, to which an encoding can add a bias
    signed = False  # whether its weights may be negative, so that they have no entropy
    by_index = False  # whether `sees` is arithmetic with the two indices, which FlexAttention can compile
    extends = False  # whether it adds keys to those of the tokens

    def prepare(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Transforms the input of attention, (B, T, D), before queries, keys and values are computed. mask: True on
        real tokens, (B, T)."""
        return x

    def sink(self) -> Tensor | None:
        """Returns the score of a key that every query sees and whose value is zero, (H,); None for no such key."""
        return None

    def mix_scores(self, scores: Tensor) -> Tensor:
        """Transforms scores (B, H, T, T) before masks and softmax."""
        return scores

    def mix_weights(self, weights: Tensor) -> Tensor:
        """Transforms attention weights (B, H, T, T) after the softmax."""
        return weights

    def gate(self, x: Tensor, y: Tensor) -> Tensor:
        """Transforms the output of attention, y (B, T, D), given its input x (B, T, D)."""
        return y

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Computes the attention of a kind that is not `scored`: (B, H, T, E) -> (B, H, T, E). mask: True on real
        tokens, (B, T)."""
        raise NotImplementedError

    def weights(self, q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
        """Returns how much of each value `attend` takes, (B, H, T, T), for diagnostics."""
        raise NotImplementedError

    def extend(self, q: Tensor, k: Tensor, v: Tensor, pos: Tensor, mask: Tensor | None, rotate: Rotate) -> Extended:
        """Adds keys: q, k, v (B, H, T, E) before `rotate`, positions (T,) or (B, T), mask (B, T). Only called where
        `extends` is true."""
        raise NotImplementedError

    def fold(self, weights: Tensor, mask: Tensor | None) -> Tensor:
        """Spreads attention weights over K' keys, (B, H, T, K'), over the tokens that the keys stand for, (B, H, T, T),
        for diagnostics. mask: True on real tokens, (B, T)."""
        raise NotImplementedError

    def flops(self, length: int) -> int:
        """Returns the FLOPs (2 for a multiply-add) of these hooks for one sequence and block."""
        return 0

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        """Returns True where the query with this index may attend to the key with this index; both broadcast."""
        return torch.ones_like(query - key, dtype=torch.bool)

    def limits(self, length: int) -> bool:
        """Returns whether there are keys in a sequence of this length that a query does not see."""
        return type(self).sees is not Pattern.sees

    def allowed(self, length: int, device: torch.device) -> Tensor | None:
        """Returns True if query i may attend to key j, (T, T); None if every query may attend to every key. A query may
        always attend to itself."""
        if not self.limits(length):
            return None
        at = torch.arange(length, device=device)
        return self.sees(at[:, None], at[None, :])

    def pieces(self, length: int, causal: bool, device: torch.device) -> Pieces | None:
        """Returns the pieces of a sequence; None where computing all pairs is at least as fast. A kind that adds keys
        has one piece of all pairs there."""
        found = self.cut(length, causal, device) if length >= self.short else None
        if found is not None:
            scores = sum(piece.allowed.numel() for piece in found.pieces) * (2 if found.merged else 1)
            if self.share * scores <= self.pairs(length):
                return found
        return self.whole(length, causal, device) if self.extends else None

    def whole(self, length: int, causal: bool, device: torch.device) -> Pieces:
        """Returns one piece with all queries, (1, T), and all keys, (1, K'), of a kind that adds keys."""
        raise NotImplementedError

    def pairs(self, length: int) -> int:
        """Returns the number of scores of a head where all pairs are computed."""
        return length**2

    def cut(self, length: int, causal: bool, device: torch.device) -> Pieces | None:
        """Cuts a sequence into pieces; None if it has none, as a full pattern or a sequence that is too short."""
        return None

    def sizes(self, length: int, causal: bool) -> tuple[int, int, int] | None:
        """Returns the rows of queries, the rows of keys and the scores that the pieces of a sequence have; None if all
        pairs are computed."""
        found = self.pieces(length, causal, torch.device("cpu"))
        if found is None:
            return None
        queries, keys = (sum(at.numel() for at in column) for column in list(zip(*found.pieces, strict=True))[:2])
        return queries, keys, sum(piece.allowed.numel() for piece in found.pieces)


def cut_piece(queries: Tensor, keys: Tensor, sees: Sees, *, length: int, causal: bool) -> Piece:
    """Makes a piece of indices (N, b) and (N, K), of which some may lie outside of 0 .. length - 1."""
    empty, outside = ((at < 0) | (at >= length) for at in (queries, keys))
    query, key = queries[:, :, None], keys[:, None, :]
    allowed = sees(query, key) & ~outside[:, None, :]
    if causal:
        allowed = allowed & (key <= query)
    return Piece(queries.masked_fill(empty, 0), keys.masked_fill(outside, 0), allowed & ~empty[:, :, None], empty)


def block_width(reach: int) -> int:
    """Returns the number of queries in a block whose queries see `reach` keys on a side: wide enough for fast matrix
    products, and no wider than needed, as a block computes the scores of all its queries and keys."""
    return min(max(reach, 16), 256)


def window_blocks(length: int, reach: int, causal: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns consecutive queries in blocks, (N, b), and the keys within `reach` of any query of the block, (N, K)."""
    width = block_width(reach)
    start = torch.arange(0, length, width, device=device)[:, None]
    ahead = 0 if causal else reach
    queries = start + torch.arange(width, device=device)
    return queries, start + torch.arange(-reach, width + ahead, device=device)
