"""The loop: (model, data, config) -> a Training that goes a step at a time and can be stopped and continued anywhere.

Everything random has an address: the order of an epoch is a function of (seed, epoch), dropout of (seed, step). So a
Training restored from its state goes on as if it had never stopped, bit for bit.
"""

import copy
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stackcli import model as core
from stackcli import probe
from stackcli.address import address, generator
from stackcli.auxiliary import Auxiliary
from stackcli.batches import Batch, Padded, order
from stackcli.data._rows import STEP, count
from stackcli.data.base import UNSCORED, Examples, Loaded
from stackcli.record import LayerRow, Result, StepRow
from stackcli.settings import Config
from stackcli.text import MAX_CLASSES

EVALUATION = 64  # sequences at once in an evaluation


def planned_steps(config: Config, examples: int) -> int:
    """Optimiser steps of an uninterrupted run."""
    return config.steps or config.epochs * math.ceil(examples / config.batch)


def learning_rate(config: Config, step: int, steps: int) -> float:
    """Of optimiser step `step` (0 is the first): linear warm-up, then a cosine to zero or a constant."""
    warm = round(config.warmup * steps)
    if step < warm:
        return config.lr * (step + 1) / warm
    if config.schedule == "constant":
        return config.lr
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def optimizer(model: nn.Module, config: Config, more: Sequence[nn.Parameter] = ()) -> torch.optim.AdamW:
    """AdamW, Loshchilov and Hutter 2019, eq. 12, arXiv:1711.05101; decay on `model.matrices` alone. `more`: parameters
    that are trained beside the model's."""
    trained = [p for p in (*model.parameters(), *more) if p.requires_grad]
    decayed = {id(p) for p in core.matrices(model)} | {id(p) for p in more if p.dim() >= 2}
    matrices = [p for p in trained if id(p) in decayed]
    vectors = [p for p in trained if id(p) not in decayed]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.lr, fused=config.device != "mps")


def forward_loss(model: core.StackedAttention, batch: Batch, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of a batch, nats per sequence, or per scored token where every token is asked about."""
    logits, labels = probe.scored(model(batch.tokens, batch.mask, batch.pos, batch.tree), batch.labels)
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


class Answers(NamedTuple):
    """Mean loss in nats per scored item, the class answered for each and its true class; `output`: which of a token's
    answers it is."""

    loss: float
    said: np.ndarray
    true: np.ndarray
    output: np.ndarray

    @property
    def acc(self) -> float:
        return float((self.said == self.true).mean())


Change = Callable[[Batch], Batch]


def placed(model: core.StackedAttention, batch: Batch) -> Batch:
    """The batch with its positions, where the model would draw them."""
    return replace(batch, pos=model.positions(batch.tokens, batch.mask)) if model.reach else batch


@torch.no_grad()
def answers(model: core.StackedAttention, part: Padded, *, full: bool, change: Change = lambda batch: batch) -> Answers:
    """What the model answers about a part, of which each batch may be changed first; eval mode, plain loss."""
    model.eval()
    most = len(part) if part.targets is None else int(part.targets.lengths.sum())
    rows = np.zeros((3, most), dtype=np.min_scalar_type(max(model.classes, model.outputs)))  # said, true, output
    total, used = 0.0, 0
    for batch in (change(placed(model, batch)) for batch in part.in_order(EVALUATION, full=full)):
        logits, labels = probe.scored(model(batch.tokens, batch.mask, batch.pos, batch.tree), batch.labels)
        total += float(F.cross_entropy(logits.cpu().double(), labels.cpu(), reduction="sum"))
        place = slice(used, used + len(labels))
        rows[0, place], rows[1, place] = logits.argmax(-1).cpu().numpy(), labels.cpu().numpy()
        if model.outputs > 1:
            which = torch.arange(model.outputs).expand(batch.labels.shape)
            rows[2, place] = which[batch.labels.cpu() != UNSCORED].numpy()
        used += len(labels)
    return Answers(total / used, *rows[:, :used])


def subset(examples: Examples, size: int) -> Examples:
    """A random subset of the training part, the same in every run of a study."""
    return examples.only(np.sort(generator("evaluation", "train").permutation(len(examples))[:size]).tolist())


class Training:
    """The state of a run between two steps.

    training = Training(model, loaded, config)
    while not training.finished:
        training.advance()
    result = training.result()
    """

    def __init__(self, model: core.StackedAttention, loaded: Loaded, config: Config) -> None:
        self.model, self.config, self.classes = model, config, loaded.classes
        self.auxiliary = Auxiliary(model, config)
        self.auxiliary.pretrain()
        self.optimizer = optimizer(model, config, self.auxiliary.parameters())
        masked, device, max_len = config.mask == "padding", config.device, loaded.max_len

        def padded(examples: Examples) -> Padded:
            return Padded(examples, max_len=max_len, device=device, masked=masked, outputs=loaded.outputs)

        self.train, self.val, self.test = padded(loaded.train), padded(loaded.val), padded(loaded.test)
        self.train_subset = padded(subset(loaded.train, len(loaded.val)))
        self.longer = [(length, padded(examples), examples.source_loss) for length, examples in loaded.longer]
        self.source_loss = loaded.test.source_loss
        self.full = config.pad == "max"
        self.steps = planned_steps(config, len(self.train))
        self.per_epoch = math.ceil(len(self.train) / config.batch)
        self.probe_batch = self.train.cut(probe.rows(len(self.train)), full=self.full)
        core.profile(model, self.probe_batch)
        self.probe_steps = probe.schedule(self.steps) if config.probes else frozenset()
        self.step, self.waited, self.stopped_early = 0, 0, False
        self.diverged_step: int | None = None
        self.loss = math.nan
        self.curve: list[StepRow] = []
        self.layers: list[LayerRow] = []
        self.best: dict[str, Tensor] | None = None
        self._epoch = (-1, [np.empty(0, dtype=np.int64)])
        self._look(updates={})
        self._evaluate()

    @property
    def finished(self) -> bool:
        return self.step >= self.steps or self.stopped_early or self.diverged_step is not None

    def advance(self) -> None:
        """One optimiser step, and whatever is due after it."""
        config, step = self.config, self.step
        torch.manual_seed(address(config.seed, "dropout", step))
        self.model.train()
        loss = forward_loss(self.model, self._batch(step), config.label_smoothing)
        if self.auxiliary:
            loss = loss + self.auxiliary.weight * self.auxiliary.loss()
        self.loss = float(loss.detach())
        if not math.isfinite(self.loss):
            self.diverged_step = step
            return
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._update(step)
        self.step = step + 1
        if self.step % self.per_epoch == 0 or self.step == self.steps:
            self._evaluate()

    def _update(self, step: int) -> None:
        if self.config.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        lr = learning_rate(self.config, step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        due = step + 1 in self.probe_steps
        before = probe.weights(self.model) if due else {}
        self.optimizer.step()
        if due:
            self._look(probe.updates(self.model, before, decay=lr * self.config.weight_decay), step + 1)

    def _look(self, updates: dict[tuple[int, str], tuple[float, float]], step: int = 0) -> None:
        if step in self.probe_steps:
            self.layers += probe.look(self.model, self.probe_batch, step=step, updates=updates)

    def _batch(self, step: int) -> Batch:
        epoch, at = divmod(step, self.per_epoch)
        if self._epoch[0] != epoch:
            rows = order(
                self.train.lengths, batch=self.config.batch, seed=self.config.seed, epoch=epoch, sort=not self.full
            )
            self._epoch = (epoch, rows)
        return self.train.cut(self._epoch[1][at], full=self.full)

    def _evaluate(self) -> None:
        train, val = self._score(self.train_subset), self._score(self.val)
        row = StepRow(
            step=self.step,
            epoch=self.step / self.per_epoch,
            lr=learning_rate(self.config, self.step - 1, self.steps) if self.step else 0.0,
            train_loss=train[0],
            train_acc=train[1],
            val_loss=val[0],
            val_acc=val[1],
        )
        if not (math.isfinite(train[0]) and math.isfinite(val[0])):
            self.diverged_step = self.step
            return
        lowest = min((r.val_loss for r in self.curve), default=math.inf)
        self.curve.append(row)
        if row.val_loss < lowest:
            self.waited, self.best = 0, {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        else:
            self.waited += 1
        self.stopped_early = bool(self.config.patience) and self.waited >= self.config.patience
        if self.stopped_early and self.step not in self.probe_steps and self.config.probes:
            self.layers += probe.look(self.model, self.probe_batch, step=self.step, updates={})

    def _score(self, part: Padded) -> tuple[float, float]:
        found = answers(self.model, part, full=self.full)
        return found.loss, found.acc

    # ---- the end

    def result(self, *, test: bool = True) -> Result:
        """The run's row. The test part is read here, once, with the last and with the chosen weights, or without
        `test` not at all: its numbers then are None."""
        params, tables = core.count(self.model)
        length = int(np.median(self.train.lengths))
        common: dict[str, Any] = {
            "step_end": self.step,
            "stopped_early": self.stopped_early,
            "params": params,
            "params_embedding": tables,
            "flops": core.flops(self.config, self.model, length),
            "flops_len": length,
            "kernel_used": self.model.kernel,
            "classes": self.classes,
            "weights_hash": weights_hash(self.model),
            **probe.ratios(self.layers),
        }
        if self.diverged_step is not None:
            return Result(status="diverged", diverged_step=self.diverged_step, **common)
        end, chosen = self.curve[-1], min(self.curve, key=lambda row: row.val_loss)
        tested = self._tested() if test else {}
        return Result(status="done", step_best=chosen.step, **common, **self._losses(end, chosen), **tested)

    def _losses(self, end: StepRow, chosen: StepRow) -> dict[str, Any]:
        return {
            **{f"{k}_end": getattr(end, k) for k in ("train_loss", "train_acc", "val_loss", "val_acc")},
            **{k: getattr(chosen, k) for k in ("train_loss", "train_acc", "val_loss", "val_acc")},
            "gap_end": end.val_loss - end.train_loss,
            "gap_best": chosen.val_loss - chosen.train_loss,
            "acc_gap_end": end.train_acc - end.val_acc,
            "acc_gap_best": chosen.train_acc - chosen.val_acc,
        }

    def _tested(self) -> dict[str, Any]:
        test_end = self._score(self.test)
        last = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(self.best or last)
        found = answers(self.model, self.test, full=self.full)
        more = self._lengths() | ({} if self.model.every else self._orders())
        self.model.load_state_dict(last)
        return {
            "test_loss_end": test_end[0],
            "test_acc_end": test_end[1],
            "test_loss": found.loss,
            "test_source": self.source_loss,
            "test_excess": None if self.source_loss is None else found.loss - self.source_loss,
            "test_right": "" if self.model.every else right_by_item(found, self.test),
            **by_class(found.true, found.said, len(self.classes)),
            **({"acc_by_output": by_output(found)} if self.model.outputs > 1 else {}),
            **more,
        }

    def _lengths(self) -> dict[str, Any]:
        """Loss and accuracy on the test parts of other lengths, beside the source's own loss."""
        rows = []
        for length, part, source_loss in self.longer:
            source = math.nan if source_loss is None else source_loss
            try:
                found = answers(self.model, part, full=False)
                rows.append((length, found.loss, found.acc, source))
            except ValueError:  # positions that the encoding does not have
                rows.append((length, math.nan, math.nan, source))
        return {"by_length": tuple(rows)}

    def _orders(self) -> dict[str, Any]:
        """Test accuracy where the tokens of each item are shuffled, reversed, or stand as late as positions reach."""
        out: dict[str, Any] = {}
        for name, change in (("shuffled", shuffled), ("reversed", backwards)):
            out[f"test_acc_{name}"] = answers(self.model, self.test, full=self.full, change=change).acc
        reach = self.model.reach or self.test.max_len
        room = reach - int(self.test.lengths.max())
        if room and not self.full:
            shift = latest(reach) if self.model.reach else later(room)
            out["test_acc_shifted"] = answers(self.model, self.test, full=False, change=shift).acc
        return out

    # ---- stopping and going on

    def state(self) -> dict[str, Any]:
        """All that a Training needs to go on: tensors, numbers, strings and rows as dicts; a copy, not a view."""
        live = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "reader": [p.detach() for p in self.auxiliary.parameters()],
            "best": self.best,
            "step": self.step,
            "waited": self.waited,
            "stopped_early": self.stopped_early,
            "diverged_step": self.diverged_step,
            "curve": [asdict(row) for row in self.curve],
            "layers": [asdict(row) for row in self.layers],
        }
        return copy.deepcopy(live)

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a state; the next `advance` is the step after it."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        with torch.no_grad():
            for parameter, saved in zip(self.auxiliary.parameters(), state["reader"], strict=True):
                parameter.copy_(saved)
        self.best = state["best"]
        self.step, self.waited = state["step"], state["waited"]
        self.stopped_early, self.diverged_step = state["stopped_early"], state["diverged_step"]
        self.curve = [StepRow(**row) for row in state["curve"]]
        self.layers = [LayerRow(**row) for row in state["layers"]]


def _moved(batch: Batch, at: Tensor) -> Batch:
    """The batch with the tokens of each row picked at (B, T)."""
    return replace(batch, tokens=batch.tokens.gather(1, at.to(batch.tokens.device)))


def shuffled(batch: Batch) -> Batch:
    """The real tokens of each row in an order that is a function of the row's own tokens; padding stays behind."""
    B, T = batch.tokens.shape
    lengths = [T] * B if batch.mask is None else batch.mask.sum(1).tolist()
    at = torch.arange(T).repeat(B, 1)
    for row, ids, length in zip(at, batch.tokens.tolist(), lengths, strict=True):
        row[:length] = torch.from_numpy(generator("evaluation", "shuffle", *ids[:length]).permutation(length))
    return _moved(batch, at)


def backwards(batch: Batch) -> Batch:
    """The real tokens of each row, last first."""
    B, T = batch.tokens.shape
    lengths = torch.full((B, 1), T) if batch.mask is None else batch.mask.sum(1, keepdim=True).cpu()
    at = torch.arange(T)[None]
    return _moved(batch, torch.where(at < lengths, lengths - 1 - at, at))


def later(room: int) -> Change:
    """Every position raised by `room`, as if that much padding stood in front."""

    def change(batch: Batch) -> Batch:
        pos = torch.arange(batch.tokens.shape[1], device=batch.tokens.device) if batch.pos is None else batch.pos
        return replace(batch, pos=pos + room)

    return change


def latest(reach: int) -> Change:
    """Drawn positions of each row raised alike, so that its last real token stands at reach - 1."""

    def change(batch: Batch) -> Batch:
        assert batch.pos is not None
        last = batch.pos if batch.mask is None else batch.pos.masked_fill(~batch.mask, 0)
        raised = batch.pos + (reach - 1 - last.amax(1, keepdim=True))
        return replace(batch, pos=raised.clamp(max=reach - 1))

    return change


def by_output(found: Answers) -> tuple[float, ...]:
    """Accuracy of each of a token's answers."""
    right = found.said == found.true
    return tuple(float(right[found.output == i].mean()) for i in range(int(found.output.max()) + 1))


def right_by_item(found: Answers, part: Padded) -> str:
    """1 or 0 for each item, in the order of the part, of answers that were given shortest item first."""
    right = np.empty(len(part), dtype=np.int8)
    right[part.shortest_first] = found.said == found.true
    return "".join(map(str, right.tolist()))


def by_class(true: np.ndarray, said: np.ndarray, classes: int) -> dict[str, Any]:
    """Accuracy, recall of each class, macro F1 and the confusion matrix (rows: true class). A class that the part
    lacks has recall 0 and counts in the mean F1 only if it was answered. Of more than `MAX_CLASSES` classes, the words
    of a language, say, there is no confusion matrix: it would be larger than the data."""
    hit, asked, answered = (count(rows, classes) for rows in (true[true == said], true, said))
    confusion = np.zeros((classes, classes) if classes <= MAX_CLASSES else (0, 0), dtype=np.int64)
    for i in range(0, len(true) if len(confusion) else 0, STEP):
        np.add.at(confusion, (true[i : i + STEP], said[i : i + STEP]), 1)
    f1 = 2 * hit / np.maximum(asked + answered, 1)
    return {
        "test_acc": float(hit.sum() / max(1, len(true))),
        "acc_by_class": tuple((hit / np.maximum(asked, 1)).tolist()),
        "macro_f1": float(f1[(asked + answered) > 0].mean()),
        "confusion": tuple(map(tuple, confusion.tolist())),
    }


def weights_hash(model: nn.Module) -> str:
    """sha256 of every tensor's name and bytes: equal hashes, equal weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
