"""Attention over the pieces of a pattern: only the pairs that are looked at are computed, T x T never.

Shapes: B batch, T positions, H heads, E = D / H; a piece has N blocks of b queries and K keys each.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from stackcli.attention.base import Piece, Pieces
from stackcli.model.dropout import Dropout
from stackcli.pe.base import Context, PositionEncoding


def sparse_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    ctx: Context,
    pe: PositionEncoding,
    found: Pieces,
    *,
    drop: Dropout,
    explicit: bool,
    added: Tensor | None = None,
    record: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Computes attention on q (B, H, T, E) and k, v (B, H, K, E) -> (B, H, T, E). If the pieces share queries, their
    sums are merged (Milakov and Gimelshein 2018, arXiv:1805.02867).

    The keys are those of the tokens, whose first T positions in `ctx` are those of the queries, and those that a kind
    adds. added: what is added to the scores of each key, (B or 1, H or 1, K). record: called with the weights
    (B, H, T, K) where there is one piece of all pairs.
    """
    cuts = [gather_piece(q, k, v, ctx, pe, piece, added) for piece in found.pieces]
    if record is not None:
        (only,) = cuts
        record(attention_weights(only)[:, 0])
    if found.merged:
        return merge_sums([partial_sums(c, drop) for c in cuts], found.pieces)
    kernel = explicit_attention if explicit or not pe.fused else fused_attention
    return restore_order([kernel(c, drop) for c in cuts], found.pieces)


class Cut(NamedTuple):
    """The part of a batch that a piece needs: q (B, N, H, b, E), k and v (B, N, H, K, E), what is added to the scores,
    broadcastable to (B, N, H, b, K), or None, and which pairs count, (B or 1, N, 1, b, K)."""

    q: Tensor
    k: Tensor
    v: Tensor
    bias: Tensor | None
    allowed: Tensor
    ctx: Context
    pe: PositionEncoding


def gather_piece(
    q: Tensor, k: Tensor, v: Tensor, ctx: Context, pe: PositionEncoding, piece: Piece, added: Tensor | None = None
) -> Cut:
    """Takes the queries and keys of a piece out of the sequence."""
    q, k, v = (gather_tokens(x, at) for x, at in ((q, piece.queries), (k, piece.keys), (v, piece.keys)))
    own = Context(ctx.pos[..., piece.keys], causal=ctx.causal, queries=ctx.pos[..., piece.queries])
    allowed = piece.allowed[:, None]  # (N, 1, b, K)
    if ctx.mask is not None:  # a padding token attends to itself, so that no softmax is empty
        itself = piece.allowed & (piece.queries[:, :, None] == piece.keys[:, None, :])
        allowed = (allowed & ctx.mask[:, piece.keys][:, :, None, None]) | itself[:, None]
    else:
        allowed = allowed[None]
    bias = pe.bias(q, k, own)
    if added is not None:
        more = added[..., piece.keys].transpose(1, 2).unsqueeze(-2).to(q)  # (B or 1, N, H or 1, 1, K)
        bias = more if bias is None else bias + more
    return Cut(q, k, v, bias, allowed, own, pe)


def gather_tokens(x: Tensor, at: Tensor) -> Tensor:
    """Picks places (N, n) of a sequence: (B, H, T, E) -> (B, N, H, n, E)."""
    B, H, _, E = x.shape
    return x.index_select(2, at.flatten()).view(B, H, *at.shape, E).transpose(1, 2)


def fused_attention(c: Cut, drop: Dropout) -> Tensor:
    """Attention of a piece by PyTorch's fused kernel, which needs a mask in which no row is empty."""
    allowed = c.allowed | ~c.allowed.any(-1, keepdim=True)
    mask = allowed if c.bias is None else c.bias.masked_fill(~allowed, -math.inf)
    B, N, H, b, E = c.q.shape
    mask = mask.expand(B, N, -1, -1, -1).flatten(0, 1)
    q, k, v = (x.flatten(0, 1) for x in (c.q, c.k, c.v))
    y: Tensor = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=drop.p if drop.training else 0.0)
    return y.view(B, N, H, b, E)


def explicit_attention(c: Cut, drop: Dropout) -> Tensor:
    """Attention of a piece, written out."""
    weights = drop(attention_weights(c))
    mixed = c.pe.mix(weights, c.ctx)
    out: Tensor = weights @ c.v if mixed is None else weights @ c.v + mixed
    return out


def attention_weights(c: Cut) -> Tensor:
    """Attention weights of a piece, (B, N, H, b, K)."""
    allowed = c.allowed | ~c.allowed.any(-1, keepdim=True)
    return piece_scores(c).masked_fill(~allowed, -math.inf).softmax(-1)


def piece_scores(c: Cut) -> Tensor:
    """Scaled scores of a piece with the encoding's bias, (B, N, H, b, K)."""
    found: Tensor = (c.q / math.sqrt(c.q.shape[-1])) @ c.k.transpose(-1, -2)
    return found if c.bias is None else found + c.bias


class Sums(NamedTuple):
    """Sums over the keys of a piece, for each of its queries: of exp(score - highest) v (B, N, H, b, E), of
    exp(score - highest), and the highest score (B, N, H, b, 1)."""

    weighted: Tensor
    total: Tensor
    highest: Tensor


def partial_sums(c: Cut, drop: Dropout) -> Sums:
    """The sums of a piece. Dropout is applied to the numerator only, as it is to normalised weights."""
    found = piece_scores(c).masked_fill(~c.allowed, -math.inf)
    highest = found.detach().amax(-1, keepdim=True).clamp(min=torch.finfo(found.dtype).min)
    weights = (found - highest).exp()
    kept = drop(weights)
    mixed = c.pe.mix(kept, c.ctx)
    return Sums(kept @ c.v if mixed is None else kept @ c.v + mixed, weights.sum(-1, keepdim=True), highest)


def merge_sums(sums: list[Sums], pieces: tuple[Piece, ...]) -> Tensor:
    """The attention output over the keys of all pieces, (B, H, T, E); every piece has all queries."""
    placed = [Sums(*(restore_order([x], (piece,)) for x in s)) for s, piece in zip(sums, pieces, strict=True)]
    highest = torch.stack([s.highest for s in placed]).amax(0)
    scales = [(s.highest - highest).exp() for s in placed]
    weighted = torch.stack([s.weighted * scale for s, scale in zip(placed, scales, strict=True)]).sum(0)
    return weighted / torch.stack([s.total * scale for s, scale in zip(placed, scales, strict=True)]).sum(0)


def restore_order(parts: list[Tensor], pieces: tuple[Piece, ...]) -> Tensor:
    """Puts the outputs of pieces, (B, N, H, b, E) each, back in the order of the sequence: (B, H, T, E)."""
    flat = torch.cat([part.transpose(1, 2).flatten(2, 3) for part in parts], dim=2)
    places = torch.cat([piece.queries.flatten() for piece in pieces])
    real = torch.cat([~piece.empty.flatten() for piece in pieces]).nonzero().squeeze(1)
    return flat.index_select(2, real[places[real].argsort()])
