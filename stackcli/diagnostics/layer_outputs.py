"""What each layer of a trained stack hands on, on a part of the data.

Layer 0 is what enters block 1. Items are, of each sequence, the mean of its real tokens' vectors, or where every token
is asked about, the scored tokens' vectors. Eval mode, chosen weights; looking changes nothing.

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
from stackcli.training.evaluation import EVALUATION

SEQUENCES = 512  # of the training part, that the classifiers learn from; three times as many answer no better

TOKENS = 1024  # of them, where every token is asked about; four times as many answer no better

ITEMS = 2048  # sequences or tokens of the test part, whose vectors are kept


class Vectors(NamedTuple):
    """Of the items of a part: what leaves layers 0 .. L, (N, D) each, and their classes, (N, outputs)."""

    layers: list[Tensor]
    labels: Tensor


class Pass(NamedTuple):
    """A batch on its way: which sequences it holds, what leaves layers 0 .. L, (B, T, D) each, where its tokens are."""

    sequences: np.ndarray
    batch: Batch
    layers: list[Tensor]
    ctx: Context


def draw_sequences(part: Padded) -> np.ndarray:
    """The sequences of a part in an order that is the same in every run."""
    return generator("evaluation", "inside").permutation(len(part))


def choose_items(part: Padded, sequences: np.ndarray, most: int) -> Tensor:
    """True on what is looked at of these sequences, drawn where there is more: (sequences of the part, 1), or
    (sequences, T) where every token is asked about."""
    longest = int(part.lengths.max()) if part.targets is not None else 1
    asked = torch.zeros(len(part), longest, dtype=torch.bool)
    for i in range(0, len(sequences), EVALUATION):
        some = sequences[i : i + EVALUATION]
        labels = part.asked(some, longest).view(len(some), longest, -1)  # (sequences, T or 1, outputs)
        asked[some] = (labels != UNSCORED).any(-1)
    draw = np.arange(np.count_nonzero(asked.numpy()), dtype=np.int32)
    generator("evaluation", "inside", "items").shuffle(draw)
    return pick_items(asked, draw[:most].astype(np.int64))


def pick_items(asked: Tensor, picked: np.ndarray) -> Tensor:
    """Of the items asked about, numbered from the first sequence on, those picked."""
    counts = np.count_nonzero(asked.numpy(), axis=1)
    ends = counts.cumsum()
    rows = np.searchsorted(ends, picked, side="right")
    before = torch.from_numpy(picked - (ends - counts)[rows])
    places = (asked[rows].cumsum(1) == before[:, None] + 1) & asked[rows]
    asked.zero_()[torch.from_numpy(rows), places.int().argmax(1)] = True
    return asked


def passes(model: StackedAttention, part: Padded, sequences: np.ndarray, *, full: bool) -> Iterator[Pass]:
    """These sequences through the stack, shortest first."""
    ordered = sequences[np.argsort(part.lengths[sequences], kind="stable")]
    for i in range(0, len(ordered), EVALUATION):
        batch = part.cut(ordered[i : i + EVALUATION], full=full)
        x, ctx = model.enter(batch.tokens, batch.mask, batch.pos, batch.tree)
        layers = [x]
        for block in model.stack:
            layers.append(block(layers[-1], ctx, model.pe))
        yield Pass(ordered[i : i + EVALUATION], batch, layers, ctx)


def vectors(model: StackedAttention, passed: Pass, asked: Tensor) -> Vectors:
    """What is looked at of a batch; `asked`: `items` of its part."""
    labels = passed.batch.labels if model.outputs > 1 else passed.batch.labels[..., None]
    if model.every:
        here = asked[passed.sequences, : labels.shape[1]].to(labels.device)
        found = [x[here] for x in passed.layers]
    else:
        here = asked[passed.sequences, 0].to(labels.device)
        found = [pool(x, passed.ctx.mask)[here] for x in passed.layers]
    return Vectors([x.cpu() for x in found], labels[here].cpu())


def join_batches(found: Sequence[Vectors]) -> Vectors:
    """Several batches as one."""
    layers = zip(*(f.layers for f in found), strict=True)
    return Vectors([torch.cat(batches) for batches in layers], torch.cat([f.labels for f in found]))
