"""Answers of a stack on a part of the data, and their scores."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stackcli.common.seeding import generator
from stackcli.data._rows import STEP, count
from stackcli.data._tokens import MAX_CLASSES
from stackcli.data.base import UNSCORED, Examples
from stackcli.model import stack as core
from stackcli.model.batch import Batch
from stackcli.training.batching import Padded, select_scored, take_rows
from stackcli.training.linear_loss import LOGITS, linear_cross_entropy
from stackcli.training.processes import ALONE, Processes

AT_ONCE = 1 << 18  # logits in double precision at a time


def forward_loss(
    model: core.StackedAttention,
    batch: Batch,
    smoothing: float = 0.0,
    temperature: float = 1.0,
    *,
    linear: bool = True,
) -> Tensor:
    """Returns the mean cross-entropy of a batch, nats per sequence, or per scored token with answers at every token.

    temperature: what the logits are divided by. Where labels are probabilities (B, classes), the cross-entropy is that
    with them. linear: whether the loss of many classes may be computed from the classifier's weights, without its
    forward pass.
    """
    inputs = batch.tokens, batch.mask, batch.pos, batch.tree, batch.added
    if batch.labels.is_floating_point() or temperature != 1:
        logits = model(*inputs) / temperature
        return F.cross_entropy(logits, batch.labels, label_smoothing=smoothing)
    mixed = torch.is_autocast_enabled(batch.tokens.device.type)
    if linear and model.outputs == 1 and batch.labels.numel() * model.classes > LOGITS and not mixed:
        x, labels = select_scored(model.vectors(*inputs), batch.labels)
        return linear_cross_entropy(x, model.head, labels, smoothing=smoothing)
    logits, labels = select_scored(model(*inputs), batch.labels)
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


class Answers(NamedTuple):
    """Mean loss in nats per scored item; the class answered (`said`) and the true class of each, (N,). `output`: which
    of the token's answers each is; empty where a token has one. `tempered`: the loss at the temperature asked for."""

    loss: float
    said: np.ndarray
    true: np.ndarray
    output: np.ndarray
    tempered: float = math.nan

    @property
    def acc(self) -> float:
        return float((self.said == self.true).mean())


Change = Callable[[Batch], Batch]


def keep_batch(batch: Batch) -> Batch:
    return batch


def place_tokens(model: core.StackedAttention, batch: Batch) -> Batch:
    """Returns the batch with the positions that a model with randomised positions chooses for it."""
    return replace(batch, pos=model.positions(batch.tokens, batch.mask)) if model.reach else batch


class Scored(NamedTuple):
    """Summed losses of the scored items of some rows, and their classes and outputs, (n,) each."""

    loss: float
    tempered: float
    said: np.ndarray
    true: np.ndarray
    output: np.ndarray


@torch.no_grad()
def answers(
    model: core.StackedAttention,
    part: Padded,
    *,
    full: bool,
    change: Change = keep_batch,
    temperature: float = 1.0,
    processes: Processes = ALONE,
) -> Answers:
    """Returns the answers of the model in eval mode; their loss has no smoothing. `change` is applied to each batch.

    processes: those that call this function together. Each answers its rows of every batch, each item is counted once,
    and all get the same answers.
    """
    model.eval()
    found: list[Scored] = []
    for batch in (change(place_tokens(model, batch)) for batch in part.in_order(full=full)):
        own = processes.share(len(batch.tokens))
        rows = own if own.start < own.stop else slice(0, 1)  # all processes make the same passes
        scored = score_rows(model, batch if processes.size == 1 else take_rows(batch, rows), temperature)
        found.append(scored if own.start < own.stop else Scored(0.0, 0.0, *(x[:0] for x in scored[2:])))
    ordered = [scored for of_batch in zip(*processes.gather(found), strict=True) for scored in of_batch]
    said, true, output = (np.concatenate([scored[i] for scored in ordered]) for i in (2, 3, 4))
    total, tempered = sum(scored.loss for scored in ordered), sum(scored.tempered for scored in ordered)
    return Answers(total / len(said), said, true, output, tempered / len(said))


def score_rows(model: core.StackedAttention, batch: Batch, temperature: float) -> Scored:
    """Answers a batch."""
    kind = np.min_scalar_type(max(model.classes, model.outputs))
    logits, labels = select_scored(model(batch.tokens, batch.mask, batch.pos, batch.tree), batch.labels)
    logits, labels = logits.cpu(), labels.cpu()
    loss = summed_loss(logits, labels)
    tempered = loss if temperature == 1 else summed_loss(logits / temperature, labels)
    output = np.zeros(0, dtype=kind)
    if model.outputs > 1:
        which = torch.arange(model.outputs).expand(batch.labels.shape)
        output = which[batch.labels.cpu() != UNSCORED].numpy().astype(kind)
    return Scored(loss, tempered, logits.argmax(-1).numpy().astype(kind), labels.numpy().astype(kind), output)


def summed_loss(logits: Tensor, labels: Tensor) -> float:
    """Returns the summed cross-entropy in nats, computed in double precision, a few rows at a time to save memory."""
    step = max(1, AT_ONCE // logits.shape[-1])
    parts = zip(torch.split(logits, step), torch.split(labels, step), strict=True)
    return sum(float(F.cross_entropy(some.double(), asked, reduction="sum")) for some, asked in parts)


def subset(examples: Examples, size: int) -> Examples:
    """Returns a random subset of the training part, the same in every run of a study."""
    return examples.only(np.sort(generator("evaluation", "train").permutation(len(examples))[:size]).tolist())


def _moved(batch: Batch, at: Tensor) -> Batch:
    """Returns the batch with the tokens of each row taken from the places `at`, (1, T) or (B, T)."""
    return replace(batch, tokens=batch.tokens.gather(1, at.to(batch.tokens.device)))


def shuffle_tokens(batch: Batch) -> Batch:
    """Shuffles the real tokens of each row, in an order that depends only on the tokens themselves."""
    B, T = batch.tokens.shape
    lengths = [T] * B if batch.mask is None else batch.mask.sum(1).tolist()
    at = torch.arange(T).repeat(B, 1)
    for row, ids, length in zip(at, batch.tokens.tolist(), lengths, strict=True):
        row[:length] = torch.from_numpy(generator("evaluation", "shuffle", *ids[:length]).permutation(length))
    return _moved(batch, at)


def reverse_tokens(batch: Batch) -> Batch:
    """Reverses the real tokens of each row."""
    B, T = batch.tokens.shape
    lengths = torch.full((B, 1), T) if batch.mask is None else batch.mask.sum(1, keepdim=True).cpu()
    at = torch.arange(T)[None]
    return _moved(batch, torch.where(at < lengths, lengths - 1 - at, at))


def raise_positions(room: int) -> Change:
    """Returns a change that adds `room` to every position, as if the sequence began later."""

    def change(batch: Batch) -> Batch:
        pos = torch.arange(batch.tokens.shape[1], device=batch.tokens.device) if batch.pos is None else batch.pos
        return replace(batch, pos=pos + room)

    return change


def raise_to_end(reach: int) -> Change:
    """Returns a change that shifts the drawn positions of each row so that its last real token is at reach - 1."""

    def change(batch: Batch) -> Batch:
        assert batch.pos is not None
        last = batch.pos if batch.mask is None else batch.pos.masked_fill(~batch.mask, 0)
        raised = batch.pos + (reach - 1 - last.amax(1, keepdim=True))
        return replace(batch, pos=raised.clamp(max=reach - 1))

    return change


def by_output(found: Answers) -> tuple[float, ...]:
    """Returns the accuracy of each of the answers at a token."""
    right = found.said == found.true
    return tuple(float(right[found.output == i].mean()) for i in range(int(found.output.max()) + 1))


def right_by_item(found: Answers, part: Padded) -> str:
    """Returns 1 or 0 for each item, in the order of the part; the answers are in order of length."""
    right = np.empty(len(part), dtype=np.int8)
    right[part.shortest_first] = found.said == found.true
    return "".join(map(str, right.tolist()))


def by_class(true: np.ndarray, said: np.ndarray, classes: int) -> dict[str, Any]:
    """Returns accuracy, recall of each class, macro F1 and the confusion matrix (rows: true class).

    A class that the part lacks has recall 0, and counts in the macro F1 only if it was answered. The confusion matrix
    is empty for more than `MAX_CLASSES` classes, such as the words of a language.
    """
    hits, support, answered = (count(rows, classes) for rows in (true[true == said], true, said))
    confusion = np.zeros((classes, classes) if classes <= MAX_CLASSES else (0, 0), dtype=np.int64)
    for i in range(0, len(true) if len(confusion) else 0, STEP):
        np.add.at(confusion, (true[i : i + STEP], said[i : i + STEP]), 1)
    f1 = 2 * hits / np.maximum(support + answered, 1)
    return {
        "test_acc": float(hits.sum() / max(1, len(true))),
        "acc_by_class": tuple((hits / np.maximum(support, 1)).tolist()),
        "macro_f1": float(f1[(support + answered) > 0].mean()),
        "confusion": tuple(map(tuple, confusion.tolist())),
    }
