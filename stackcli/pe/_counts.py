"""Interpolates numbers of each query at sums of gates between query and key, for CoPE, in few passes over memory.

A sum c is written as a place on one line: P + 1 + c for keys up to the query, P - c for keys after it. A query has a
number for each whole place, the last on either side twice, and between whole places it is interpolated. Sums grow with
the distance, so that far keys share one number, and only keys near the query need to pick.

Shapes: B batch, H heads, N = B H, T positions, P whole sums on each side, W = 2 P + 2 whole places; in a tile n of N,
b queries, K keys near them.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

BLOCK = 64  # queries whose near keys are found together
TILE = 2**18  # pairs that are computed together

sigmoid_backward = torch.ops.aten.sigmoid_backward.default


class AddAtCounts(torch.autograd.Function):
    """Adds `numbers`, interpolated at the place of the sum of gates between query and key, to the scores.

    scores (B, H, T, T): the gates are their sigmoids; numbers (B, H, T, W); real (N, T): False at padding, whose gates
    are 0; None if nothing is padded. causal: whether keys after the query do not matter. inside: whether the sums are
    added to `scores` themselves; else the result is what is to be added.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, numbers: Tensor, real: Tensor | None, causal: bool, inside: bool) -> Tensor:
        result, saved, ctx.near = scores if inside else torch.zeros_like(scores), [], []
        if inside:
            ctx.mark_dirty(scores)
        scores, numbers, out = (x.view(-1, *x.shape[-2:]) for x in (scores, numbers, result))
        most, exact = numbers.shape[-1] // 2 - 1, torch.promote_types(scores.dtype, torch.float32)
        for which, rows, end in tiles(scores, causal):
            own, part = numbers[which, rows].to(exact), out[which, rows]
            gate = scores[which, rows, :end].to(exact).sigmoid()  # (n, b, end)
            if real is not None:
                gate *= real[which, None, :end]
            sums = add_up(gate)
            if bool(sums[..., -1].isnan().any()):  # NaN stays in the scores, but picks no place
                sums = add_up(gate.nan_to_num_(0.0))
            near = near_keys(sums, rows, most, None if real is None else real[which])
            at = places(sums, gate, rows, near, most)
            here, slope = pick(own, at)
            part[..., near].add_(here.addcmul_(at.frac(), slope))
            part[..., : near.start].add_(own[..., -1:])
            part[..., near.stop : end].add_(own[..., :1])
            saved += [gate[..., near].contiguous(), at, slope]
            ctx.near.append((which, rows, near, end))
        ctx.inside, ctx.width = inside, numbers.shape[-1]
        ctx.save_for_backward(*saved)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        exact = torch.promote_types(grad.dtype, torch.float32)
        to_scores = grad.new_empty(grad.shape)
        to_numbers = grad.new_zeros(*grad.shape[:-1], ctx.width, dtype=exact)
        given = grad.flatten(0, 1)
        out, by_place = (x.view(-1, *x.shape[-2:]) for x in (to_scores, to_numbers))
        for i, (which, rows, near, end) in enumerate(ctx.near):
            gate, at, slope = ctx.saved_tensors[3 * i : 3 * i + 3]
            block, own, to = given[which, rows], by_place[which, rows], out[which, rows]
            part = block[..., near].to(exact)
            for far in (slice(0, near.start), slice(near.stop, None)):
                to[..., far] = block[..., far] if ctx.inside else 0
            change = sigmoid_backward(gate_backward(slope * part, rows, near), gate)
            to[..., near] = change.add_(part) if ctx.inside else change
            row, above = at.long(), at.frac().mul_(part)
            own[..., 1:].scatter_add_(-1, row, above)
            own[..., :-1].scatter_add_(-1, row, torch.sub(part, above, out=above))
            own[..., -1].add_(block[..., : near.start].sum(-1))
            own[..., 0].add_(block[..., near.stop : end].sum(-1))
        return to_scores, to_numbers.to(grad.dtype), None, None, None


def add_at_counts(scores: Tensor, numbers: Tensor, real: Tensor | None, *, causal: bool, inside: bool) -> Tensor:
    """Applies `AddAtCounts` to scores (B, H, T, T), numbers (B, H, T, W) and real (B, T)."""
    real = None if real is None else real.repeat_interleave(scores.shape[1], 0)
    found: Tensor = AddAtCounts.apply(scores, numbers, real, causal, inside)  # type: ignore[no-untyped-call]
    return found


def tiles(scores: Tensor, causal: bool) -> Iterator[tuple[slice, slice, int]]:
    """Yields sequences, blocks of queries and the end of their keys. On other devices than a CPU there is one block,
    because finding near keys would wait for the device."""
    N, T, _ = scores.shape
    size, together = (BLOCK, max(1, TILE // (min(BLOCK, T) * T))) if scores.device.type == "cpu" else (T, N)
    for first in range(0, N, together):
        for start in range(0, T, size):
            rows = slice(start, min(start + size, T))
            yield slice(first, first + together), rows, rows.stop if causal else T


def add_up(x: Tensor) -> Tensor:
    """Returns the sums of the first 0, 1, ..., K numbers: (..., K) -> (..., K + 1)."""
    if x.is_cuda:
        return nn.functional.pad(sum_in_chunks(x), (1, 0))
    out = x.new_empty(*x.shape[:-1], x.shape[-1] + 1)
    out[..., 0] = 0
    torch.cumsum(x, -1, out=out[..., 1:])
    return out


def sum_in_chunks(x: Tensor, width: int = 64) -> Tensor:
    """Computes x.cumsum(-1) by matrix products, since `cumsum` on CUDA is not deterministic: (..., T) -> (..., T)."""
    padded = nn.functional.pad(x, (0, -x.shape[-1] % width))
    chunks = padded.view(*x.shape[:-1], -1, width)  # (..., N, width)
    upto = x.new_ones(width, width).triu()
    earlier = chunks.sum(-1) @ x.new_ones(chunks.shape[-2], chunks.shape[-2]).triu(1)  # (..., N)
    found: Tensor = (chunks @ upto + earlier[..., None]).flatten(-2)[..., : x.shape[-1]]
    return found


def own_sums(sums: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """Returns the sums of gates before each query and up to it, (n, b, 1) each."""
    before = sums[..., rows].diagonal(dim1=-2, dim2=-1)
    upto = sums[..., rows.start + 1 : rows.stop + 1].diagonal(dim1=-2, dim2=-1)
    return before[..., None], upto[..., None]


def near_keys(sums: Tensor, rows: slice, most: int, real: Tensor | None) -> slice:
    """Returns keys outside which every sum is at least `most` - 1, where query and key are real tokens."""
    end = sums.shape[-1] - 1
    if rows.start == 0 and rows.stop == end:
        return slice(0, end)
    before, upto = own_sums(sums, rows)
    first = torch.searchsorted(sums, upto - (most - 1), right=True)[..., 0] - 1  # (n, b)
    last = torch.searchsorted(sums, before + (most - 1))[..., 0]
    if real is not None:
        tokens, query = torch.arange(1, end + 1, device=real.device) * real[:, :end], real[:, rows]
        first = torch.maximum(first, real[:, :end].long().argmax(-1, keepdim=True)).masked_fill(~query, rows.start)
        last = torch.minimum(last, tokens.amax(-1, keepdim=True)).masked_fill(~query, rows.stop)
    return slice(min(max(int(first.min()), 0), rows.start), max(min(int(last.max()), end), rows.stop))


def places(sums: Tensor, gate: Tensor, rows: slice, near: slice, most: int) -> Tensor:
    """Returns the places of the sums of gates from the query to near keys, both included, (n, b, K)."""
    before, upto = own_sums(sums, rows)
    out = upto + (most + 1) - sums[..., near]
    torch.sub(before + most, sums[..., rows.stop + 1 : near.stop + 1], out=out[..., rows.stop - near.start :])
    own = slice(rows.start - near.start, rows.stop - near.start)
    out[..., own].sub_((gate[..., rows] + (upto - before + 1)).mul_(after(own, gate)))
    return out.clamp_(0.5, 2 * most + 0.5)


def after(own: slice, like: Tensor) -> Tensor:
    """Returns 1 for keys of the block after the query, else 0, (b, b)."""
    size = own.stop - own.start
    return like.new_ones(size, size).triu(1)


def pick(numbers: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the number of the whole place at or below each place, and how much larger the next one is: numbers
    (n, b, W), places (n, b, K) -> (n, b, K) each."""
    width, total = numbers.shape[-1], numbers.numel()
    start = torch.arange(0, total, width, dtype=torch.int32 if total < 2**31 else torch.long, device=at.device)
    row, flat = at.to(start.dtype).add_(start.view(*at.shape[:-1], 1)).flatten(), numbers.flatten()
    here, above = (x.index_select(0, row).view(at.shape) for x in (flat, flat[1:]))
    return here, above.sub_(here)


def gate_backward(to_places: Tensor, rows: slice, near: slice) -> Tensor:
    """Returns the gradients of the gates of near keys from those of the places, (n, b, K) each. A gate before the query
    is in the sums of the keys up to it, a gate after the query in those of the keys from it on."""
    own = slice(rows.start - near.start, rows.stop - near.start)
    out = to_places.cumsum(-1) if not to_places.is_cuda else sum_in_chunks(to_places)
    last, upto = out[..., -1:].clone(), out[..., own].diagonal(dim1=-2, dim2=-1)
    twice = upto - last[..., 0]
    out[..., own.stop :].sub_(to_places[..., own.stop :]).sub_(last)
    out[..., own].sub_((to_places[..., own] + last).mul_(after(own, to_places)))
    upto += twice
    return out
