"""The outputs of each layer of a trained stack on a part of the data.

Layer 0 is the input of block 1. An item is a sequence, with the mean vector of its real tokens, or in tasks that label
every token, a scored token with its vector. The model is in eval mode with the chosen weights, and is not changed.

Shapes: B batch, T positions, N items, D width, L blocks, C classes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from stackcli.common.seeding import generator
from stackcli.data.base import UNSCORED
from stackcli.model.batch import Batch
from stackcli.model.stack import StackedAttention, pool
from stackcli.pe.base import Context
from stackcli.training.batching import Padded

SEQUENCES = 512  # training sequences for the classifiers; three times as many gave no better accuracy
TOKENS = 1024  # training tokens in tasks that label every token; four times as many gave no better accuracy
AT_ONCE = 64  # sequences whose labels are read at a time
ITEMS = 2048  # sequences or tokens of the test part whose vectors are kept


class Vectors(NamedTuple):
    """The items of a part: their vectors after layers 0 .. L, (N, D) each, and their classes, (N, outputs)."""

    layers: list[Tensor]
    labels: Tensor


class Pass(NamedTuple):
    """A batch with the numbers of its sequences, the outputs of layers 0 .. L, (B, T, D) each, and its context."""

    sequences: np.ndarray
    batch: Batch
    layers: list[Tensor]
    ctx: Context


def draw_sequences(part: Padded) -> np.ndarray:
    """Returns the numbers of a part's sequences in a random order that is the same in every run."""
    return generator("evaluation", "inside").permutation(len(part))


def choose_items(part: Padded, sequences: np.ndarray, most: int) -> Tensor:
    """Returns True on at most `most` items of these sequences, drawn at random if there are more: (sequences of the
    part, 1), or (sequences of the part, T) in tasks that label every token."""
    longest = int(part.lengths.max()) if part.targets is not None else 1
    scored = torch.zeros(len(part), longest, dtype=torch.bool)
    for i in range(0, len(sequences), AT_ONCE):
        some = sequences[i : i + AT_ONCE]
        labels = part.asked(some, longest).view(len(some), longest, -1)  # (sequences, T or 1, outputs)
        scored[some] = (labels != UNSCORED).any(-1)
    draw = np.arange(np.count_nonzero(scored.numpy()), dtype=np.int32)
    generator("evaluation", "inside", "items").shuffle(draw)
    return pick_items(scored, draw[:most].astype(np.int64))


def pick_items(scored: Tensor, picked: np.ndarray) -> Tensor:
    """Keeps True only on the picked items, which are numbered row by row among the True ones; in place."""
    counts = np.count_nonzero(scored.numpy(), axis=1)
    ends = counts.cumsum()
    rows = np.searchsorted(ends, picked, side="right")
    before = torch.from_numpy(picked - (ends - counts)[rows])
    places = (scored[rows].cumsum(1) == before[:, None] + 1) & scored[rows]
    scored.zero_()[torch.from_numpy(rows), places.int().argmax(1)] = True
    return scored


def passes(model: StackedAttention, part: Padded, sequences: np.ndarray, *, full: bool) -> Iterator[Pass]:
    """Runs these sequences through the stack in batches, shortest first."""
    ordered = sequences[np.argsort(part.lengths[sequences], kind="stable")]
    for rows in part.groups(ordered, full=full):
        batch = part.cut(rows, full=full)
        x, ctx = model.enter(batch.tokens, batch.mask, batch.pos, batch.tree)
        layers = [x]
        for block in model.stack:
            layers.append(block(layers[-1], ctx, model.pe))
        yield Pass(rows, batch, layers, ctx)


def vectors(model: StackedAttention, passed: Pass, chosen: Tensor) -> Vectors:
    """Returns the chosen items of a batch; `chosen`: the result of `choose_items` for its part."""
    labels = passed.batch.labels if model.outputs > 1 else passed.batch.labels[..., None]
    if model.every:
        here = chosen[passed.sequences, : labels.shape[1]].to(labels.device)
        found = [x[here] for x in passed.layers]
    else:
        here = chosen[passed.sequences, 0].to(labels.device)
        found = [pool(x, passed.ctx.mask)[here] for x in passed.layers]
    return Vectors([x.cpu() for x in found], labels[here].cpu())


def join_batches(found: Sequence[Vectors]) -> Vectors:
    """Joins the items of several batches."""
    layers = zip(*(f.layers for f in found), strict=True)
    return Vectors([torch.cat(batches) for batches in layers], torch.cat([f.labels for f in found]))
