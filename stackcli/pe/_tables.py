"""Adds tables of relations to keys and values without a T x T x E tensor, Shaw et al. 2018, sec. 3.3.

The queries are multiplied with each row of the table once, and each pair picks its product. The weights are summed by
row before they are multiplied with the table. Memory is T x rows and T x T.

Where the relation is a clipped offset and positions are consecutive, most pairs have the first or the last row, so only
a band beside the diagonal needs to pick.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

BLOCK = 64  # queries that are computed together
MANY = 256  # keys, from which on rows are summed for all heads at once


def draw_table(rows: int, width: int) -> nn.Parameter:
    """Draws a table (rows, width), Xavier uniform as in the authors' code."""
    bound = math.sqrt(6 / (rows + width))
    return nn.Parameter(torch.empty(rows, width).uniform_(-bound, bound))


def on_keys(q: Tensor, table: Tensor, row: Tensor) -> Tensor:
    """Computes q_i . table[row_ij] / sqrt(E): queries (B, H, T, E), table (N, E), rows (T, T) or (B, T, T)
    -> (B, H, T, T)."""
    scores = (q / math.sqrt(q.shape[-1])) @ table.T  # (B, H, T, N)
    return scores.gather(-1, _over_heads(row).expand(*scores.shape[:-1], row.shape[-1]))


def add_on_keys(scores: Tensor, q: Tensor, table: Tensor, row: Tensor) -> Tensor:
    """Adds `on_keys` to scores (B, H, T, T) in place and returns them."""
    found: Tensor = AddRows.apply(scores, (q / math.sqrt(q.shape[-1])) @ table.T, row)  # type: ignore[no-untyped-call]
    return found


def on_values(weights: Tensor, table: Tensor, row: Tensor) -> Tensor:
    """Computes sum over j of weights_ij table[row_ij]: weights (B, H, T, T), table (N, E) -> (B, H, T, E)."""
    by_row: Tensor = SumRows.apply(weights, row, len(table))  # type: ignore[no-untyped-call]
    return by_row @ table


def on_near_keys(q: Tensor, table: Tensor, clip: int) -> Tensor:
    """Computes `on_keys` for consecutive positions, row_ij = min(max(j - i, -clip), clip) + clip."""
    found: Tensor = Spread.apply((q / math.sqrt(q.shape[-1])) @ table.T, clip)  # type: ignore[no-untyped-call]
    return found


def on_near_values(weights: Tensor, table: Tensor, clip: int) -> Tensor:
    """Computes `on_values` for consecutive positions, row_ij = min(max(j - i, -clip), clip) + clip."""
    found: Tensor = Fold.apply(weights, clip)  # type: ignore[no-untyped-call]
    return found @ table


class AddRows(torch.autograd.Function):
    """Adds the number of each pair's row to scores (B, H, T, T) in place: numbers (B, H, T, N), rows (B, T, T)."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, numbers: Tensor, row: Tensor) -> Tensor:
        ctx.mark_dirty(scores)
        ctx.save_for_backward(row)
        ctx.rows = numbers.shape[-1]
        for start in range(0, row.shape[-2], BLOCK):
            part = scores[..., start : start + BLOCK, :]
            at = _over_heads(row[..., start : start + BLOCK, :]).expand(part.shape)
            part += numbers[..., start : start + BLOCK, :].gather(-1, at)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        return grad, sum_by_row(grad, ctx.saved_tensors[0], ctx.rows), None


class SumRows(torch.autograd.Function):
    """Numbers by key (B, H, T, T) -> their sums by row (B, H, T, N)."""

    @staticmethod
    def forward(ctx: Any, by_key: Tensor, row: Tensor, rows: int) -> Tensor:
        ctx.save_for_backward(row)
        return sum_by_row(by_key, row, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        at = _over_heads(ctx.saved_tensors[0])
        return grad.gather(-1, at.expand(*grad.shape[:-1], at.shape[-1])), None, None


def sum_by_row(by_key: Tensor, row: Tensor, rows: int) -> Tensor:
    """Sums numbers by key (B, H, T, T) by row, (B, H, T, N). With many keys, each key is added for all heads before the
    next one, because two additions to the same number wait for each other."""
    if row.shape[-1] < MANY:
        by_row = by_key.new_zeros(*by_key.shape[:-1], rows)
        return by_row.scatter_add_(-1, _over_heads(row).expand(by_key.shape), by_key)
    by_key = by_key.movedim(-3, -1)  # (B, T, T, H)
    by_row = by_key.new_zeros(*by_key.shape[:-2], rows, by_key.shape[-1])
    return by_row.scatter_add_(-2, row[..., None].expand(by_key.shape), by_key).movedim(-1, -3)


class Spread(torch.autograd.Function):
    """Numbers by clipped offset (..., T, 2 clip + 1) -> numbers by key (..., T, T)."""

    @staticmethod
    def forward(ctx: Any, by_offset: Tensor, clip: int) -> Tensor:
        ctx.clip = clip
        return spread_offsets(by_offset, clip)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return fold_offsets(grad, ctx.clip), None


class Fold(torch.autograd.Function):
    """Numbers by key (..., T, T) -> their sums by clipped offset (..., T, 2 clip + 1)."""

    @staticmethod
    def forward(ctx: Any, by_key: Tensor, clip: int) -> Tensor:
        ctx.clip = clip
        return fold_offsets(by_key, clip)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return spread_offsets(grad, ctx.clip), None


def spread_offsets(by_offset: Tensor, clip: int) -> Tensor:
    T = by_offset.shape[-2]
    out = by_offset.new_empty(*by_offset.shape[:-1], T)
    for rows, near, row in bands(T, clip, by_offset.device):
        part = by_offset[..., rows, :]
        out[..., rows, : near.start] = part[..., :1]
        out[..., rows, near.stop :] = part[..., -1:]
        out[..., rows, near] = part.gather(-1, row.expand(*part.shape[:-1], row.shape[-1]))
    return out


def fold_offsets(by_key: Tensor, clip: int) -> Tensor:
    out = by_key.new_zeros(*by_key.shape[:-1], 2 * clip + 1)
    for rows, near, row in bands(by_key.shape[-1], clip, by_key.device):
        part, sums = by_key[..., rows, :], out[..., rows, :]
        sums.scatter_add_(-1, row.expand(*part.shape[:-1], row.shape[-1]), part[..., near])
        sums[..., 0] += part[..., : near.start].sum(-1)
        sums[..., -1] += part[..., near.stop :].sum(-1)
    return out


def bands(length: int, clip: int, device: torch.device) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yields blocks of queries, the keys of which some offset is not clipped, and the rows of their pairs (b, K)."""
    for start in range(0, length, BLOCK):
        end = min(start + BLOCK, length)
        near = slice(max(0, start - clip), min(length, end + clip))
        offset = torch.arange(near.start, near.stop, device=device) - torch.arange(start, end, device=device)[:, None]
        yield slice(start, end), near, offset.clamp(-clip, clip) + clip


def _over_heads(row: Tensor) -> Tensor:
    return row.unsqueeze(-3)
