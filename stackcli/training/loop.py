"""The training loop: trains a model step by step, and can be stopped and resumed at any step.

All randomness depends only on numbers that are known at a step: the order of an epoch on (seed, epoch), dropout on
(seed, step). So a training that is restored from its state continues exactly, bit for bit.
"""

import copy
import hashlib
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stackcli.common.records import LayerRow, Result, StepRow
from stackcli.common.seeding import address
from stackcli.config.settings import NONE, Config
from stackcli.data.base import Examples, Loaded
from stackcli.model import build, cost
from stackcli.model import stack as core
from stackcli.model.batch import Batch
from stackcli.training.accelerator import compile_blocks, is_compiled, mixed_precision
from stackcli.training.adversarial_step import add_gradients, build_adversarial
from stackcli.training.batching import Padded, check_unknown, drop_words, observed_rows, order
from stackcli.training.evaluation import (
    Answers,
    answers,
    by_class,
    by_output,
    forward_loss,
    raise_positions,
    raise_to_end,
    reverse_tokens,
    right_by_item,
    shuffle_tokens,
    subset,
)
from stackcli.training.observer import Key, Observer
from stackcli.training.optimizer import learning_rate, optimizer, planned_steps
from stackcli.training.position_losses import Auxiliary
from stackcli.training.teacher import build_distillation, soft_labels


class Training:
    """A run between two optimiser steps.

    training = Training(model, loaded, config)
    while not training.finished:
        training.advance()
    result = training.result()

    With distillation a teacher is trained first, a copy of the model, at the same temperature. `step`, `curve` and the
    result are those of the model alone; `progress` counts the steps of both.
    """

    def __init__(
        self,
        model: core.StackedAttention,
        loaded: Loaded,
        config: Config,
        observer: Observer | None = None,
        *,
        temperature: float = 1.0,
    ) -> None:
        check_unknown(config, loaded)
        self.distill = build_distillation(config, loaded)
        self.temperature = self.distill.temperature if self.distill.teachers else temperature
        self.teacher: Training | None = None
        self.taught: Tensor | None = None  # the teacher's probabilities for the training items, (N, C)
        self.taught_steps = 0
        if self.distill.teachers:
            plain = replace(config, distill=NONE)
            self.teacher = Training(copy.deepcopy(model), loaded, plain, temperature=self.temperature)
        self.adversarial = build_adversarial(config)
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
        self.probe_batch = self.train.cut(observed_rows(len(self.train)), full=self.full)
        build.profile(model, self.probe_batch)
        compile_blocks(model, config, self.steps)
        self.observer = observer if config.probes else None
        self.probe_steps = self.observer.schedule(self.steps) if self.observer else frozenset()
        self.step, self.waited, self.stopped_early = 0, 0, False
        self.diverged_step: int | None = None
        self.loss = math.nan
        self.curve: list[StepRow] = []
        self.criteria: list[float] = []  # validation loss of each evaluation, at the temperature of the training
        self.layers: list[LayerRow] = []
        self.best: dict[str, Tensor] | None = None
        self._epoch = (-1, [np.empty(0, dtype=np.int64)])
        self._look(updates={})
        self._evaluate()

    @property
    def finished(self) -> bool:
        return self.step >= self.steps or self.stopped_early or self.diverged_step is not None

    def advance(self) -> None:
        """Makes one optimiser step, of the teacher until it is trained, and evaluates at the end of an epoch."""
        if self.teacher is not None:
            self._teach(self.teacher)
            return
        config, step, losses = self.config, self.step, list[Tensor]()
        self.model.train()

        def loss(batch: Batch) -> Tensor:
            seed_dropout(config, step)  # before each pass, so that all have the same masks
            with mixed_precision(config):
                found = forward_loss(self.model, batch, config.label_smoothing, self.temperature)
            if self.auxiliary:
                found = found + self.auxiliary.weight * self.auxiliary.loss()
            losses.append(found.detach())
            return found

        self.optimizer.zero_grad()
        mean = add_gradients(self.adversarial, self.model, self._batch(step), loss, seed=config.seed, step=step)
        self.loss = float(mean)
        if not all(map(math.isfinite, (self.loss, *map(float, losses)))):
            self.diverged_step = step
            return
        self._update(step)
        self.step = step + 1
        if self.step % self.per_epoch == 0 or self.step == self.steps:
            self._evaluate()

    def _teach(self, teacher: "Training") -> None:
        """Makes a step of the teacher; after its last, keeps what the weights of its lowest validation loss answer."""
        teacher.advance()
        self.diverged_step = teacher.diverged_step
        if teacher.finished and teacher.best is not None and self.diverged_step is None:
            teacher.model.load_state_dict(teacher.best)
            with mixed_precision(self.config):
                self.taught = soft_labels(teacher.model, teacher.train, self.distill, full=self.full)
            self.taught_steps, self.teacher = teacher.step, None

    @property
    def progress(self) -> tuple[int, int]:
        """Steps that are made, and all steps, with those of the teacher."""
        made, planned = (self.taught_steps,) * 2 if self.teacher is None else (self.teacher.step, self.teacher.steps)
        return made + self.step, planned + self.steps

    def _update(self, step: int) -> None:
        if self.config.clip:
            self.optimizer.clip_gradients(self.config.clip)
        lr = learning_rate(self.config, step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        observer = self.observer if step + 1 in self.probe_steps else None
        before = observer.weights(self.model) if observer else {}
        self.optimizer.step()
        if observer:
            self._look(observer.updates(self.model, before, decay=lr * self.config.weight_decay), step + 1)

    def _look(self, updates: dict[Key, tuple[float, float]], step: int = 0) -> None:
        if self.observer and step in self.probe_steps:
            self.layers += self.observer.look(self.model, self.probe_batch, step=step, updates=updates)

    def _batch(self, step: int) -> Batch:
        epoch, at = divmod(step, self.per_epoch)
        if self._epoch[0] != epoch:
            rows = order(
                self.train.lengths, batch=self.config.batch, seed=self.config.seed, epoch=epoch, sort=not self.full
            )
            self._epoch = (epoch, rows)
        chosen = self._epoch[1][at]
        batch = self.train.cut(chosen, full=self.full)
        if self.taught is not None:
            batch = replace(batch, labels=self.taught[torch.from_numpy(chosen)].to(batch.tokens.device))
        return drop_words(batch, self.config.word_dropout, self.config.seed, step)

    def _evaluate(self) -> None:
        train, val = self._score(self.train_subset), self._score(self.val)
        row = StepRow(
            step=self.step,
            epoch=self.step / self.per_epoch,
            lr=learning_rate(self.config, self.step - 1, self.steps) if self.step else 0.0,
            train_loss=train.loss,
            train_acc=train.acc,
            val_loss=val.loss,
            val_acc=val.acc,
        )
        if not (math.isfinite(train.loss) and math.isfinite(val.loss)):
            self.diverged_step = self.step
            return
        lowest = min(self.criteria, default=math.inf)
        self.curve.append(row)
        self.criteria.append(val.tempered)
        if val.tempered < lowest:
            self.waited, self.best = 0, {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        else:
            self.waited += 1
        self.stopped_early = bool(self.config.patience) and self.waited >= self.config.patience
        if self.stopped_early and self.step not in self.probe_steps and self.observer:
            self.layers += self.observer.look(self.model, self.probe_batch, step=self.step, updates={})

    def _score(self, part: Padded) -> Answers:
        with mixed_precision(self.config):
            return answers(self.model, part, full=self.full, temperature=self.temperature)

    # ---- result

    def result(self, *, test: bool = True) -> Result:
        """Returns the result of the run. The test part is used only here, with the last weights and with those of the
        lowest validation loss. `test=False` does not use it; the test numbers then are None."""
        params, tables = cost.count(self.model)
        length = int(np.median(self.train.lengths))
        common: dict[str, Any] = {
            "step_end": self.step,
            "stopped_early": self.stopped_early,
            "params": params,
            "params_embedding": tables,
            "flops": cost.flops(self.config, self.model, length),
            "flops_len": length,
            "kernel_used": self.model.kernel,
            "compiled": is_compiled(self.config, self.steps),
            "classes": self.classes,
            "weights_hash": weights_hash(self.model),
            **(self.observer.ratios(self.layers) if self.observer else {}),
        }
        if self.diverged_step is not None:
            return Result(status="diverged", diverged_step=self.diverged_step, **common)
        end, chosen = self.curve[-1], self.curve[int(np.argmin(self.criteria))]
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
        with mixed_precision(self.config):
            found = answers(self.model, self.test, full=self.full)
            more = self._lengths() | ({} if self.model.every else self._orders())
        self.model.load_state_dict(last)
        return {
            "test_loss_end": test_end.loss,
            "test_acc_end": test_end.acc,
            "test_loss": found.loss,
            "test_source": self.source_loss,
            "test_excess": None if self.source_loss is None else found.loss - self.source_loss,
            "test_right": "" if self.model.every else right_by_item(found, self.test),
            **by_class(found.true, found.said, len(self.classes)),
            **({"acc_by_output": by_output(found)} if self.model.outputs > 1 else {}),
            **more,
        }

    def _lengths(self) -> dict[str, Any]:
        """Returns loss and accuracy on the test parts of other lengths, and the loss of the data's own source there."""
        rows = []
        for length, part, source_loss in self.longer:
            source = math.nan if source_loss is None else source_loss
            try:
                found = answers(self.model, part, full=False)
                rows.append((length, found.loss, found.acc, source))
            except ValueError:  # longer than the positions that the encoding has
                rows.append((length, math.nan, math.nan, source))
        return {"by_length": tuple(rows)}

    def _orders(self) -> dict[str, Any]:
        """Returns the test accuracy with the tokens of each item shuffled, reversed, or at the last positions."""
        out: dict[str, Any] = {}
        for name, change in (("shuffled", shuffle_tokens), ("reversed", reverse_tokens)):
            out[f"test_acc_{name}"] = answers(self.model, self.test, full=self.full, change=change).acc
        reach = self.model.reach or self.test.max_len
        room = reach - int(self.test.lengths.max())
        if room and not self.full:
            shift = raise_to_end(reach) if self.model.reach else raise_positions(room)
            out["test_acc_shifted"] = answers(self.model, self.test, full=False, change=shift).acc
        return out

    # ---- stopping and resuming

    def state(self) -> dict[str, Any]:
        """Returns a copy of everything that is needed to resume: tensors, numbers, strings, and rows as dicts."""
        live = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "reader": [p.detach() for p in self.auxiliary.parameters()],
            "best": self.best,
            "step": self.progress[0],  # which numbers the checkpoints of a run
            "teacher": None if self.teacher is None else self.teacher.state(),
            "taught": self.taught,
            "taught_steps": self.taught_steps,
            "waited": self.waited,
            "stopped_early": self.stopped_early,
            "diverged_step": self.diverged_step,
            "curve": [asdict(row) for row in self.curve],
            "criteria": self.criteria,
            "layers": [asdict(row) for row in self.layers],
        }
        return copy.deepcopy(live)

    def restore(self, state: dict[str, Any]) -> None:
        """Restores a state; the next `advance` makes the step after it."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        with torch.no_grad():
            for parameter, saved in zip(self.auxiliary.parameters(), state["reader"], strict=True):
                parameter.copy_(saved)
        self.best, self.taught, self.taught_steps = state["best"], state["taught"], state["taught_steps"]
        if self.teacher is not None and state["teacher"] is not None:
            self.teacher.restore(state["teacher"])
        else:
            self.teacher = None
        self.step, self.waited = 0, state["waited"]
        self.step = state["step"] - self.progress[0]
        self.stopped_early, self.diverged_step = state["stopped_early"], state["diverged_step"]
        self.curve = [StepRow(**row) for row in state["curve"]]
        self.criteria, self.layers = state["criteria"], [LayerRow(**row) for row in state["layers"]]


def seed_dropout(config: Config, step: int) -> None:
    """Seeds PyTorch's generator for a step. Seeding that of the CPU alone is a hundred times faster than all."""
    seed = address(config.seed, "dropout", step)
    if config.device == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def weights_hash(model: nn.Module) -> str:
    """Returns the sha256 of the names and bytes of all tensors; equal hashes mean equal weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
