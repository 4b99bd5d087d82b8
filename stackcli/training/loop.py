"""The training loop: trains a model step by step, and can be stopped and resumed at any step.

All randomness depends only on numbers that are known at a step: the order of an epoch on (seed, epoch), dropout on
(seed, step). So a training that is restored from its state continues exactly, bit for bit.
"""

import copy
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stackcli.common.records import LayerRow, Result, StepRow
from stackcli.common.seeding import address
from stackcli.config.settings import NONE, Config
from stackcli.data.base import Examples, Loaded
from stackcli.model import build
from stackcli.model import stack as core
from stackcli.model.batch import Batch
from stackcli.training.accelerator import compile_blocks, mixed_precision
from stackcli.training.adversarial_step import add_gradients, build_adversarial
from stackcli.training.batching import Padded, check_unknown, drop_words, observed_rows, order
from stackcli.training.evaluation import Answers, Change, answers, keep_batch, subset
from stackcli.training.observer import Key, Observer
from stackcli.training.optimizer import learning_rate, planned_steps
from stackcli.training.parallel import Parallel, Piece, build_parallel
from stackcli.training.position_losses import Auxiliary
from stackcli.training.processes import ALONE, Processes
from stackcli.training.run_result import run_result
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
        processes: Processes = ALONE,
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
        self._share_work(build_parallel(config, processes))
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

    def _share_work(self, parallel: Parallel) -> None:
        """Divides the stack among the processes, each with an optimiser of what it holds."""
        model, config = self.model, self.config
        build.profile(model, self.probe_batch)
        parallel.distribute(model)
        self.parallel = parallel
        self.optimizer = parallel.optimizer(model, config, self.auxiliary.parameters())
        compile_blocks(model, config, self.steps)
        parallel.prepare(model, config, self.temperature, self.probe_batch)

    @property
    def finished(self) -> bool:
        return self.step >= self.steps or self.stopped_early or self.diverged_step is not None

    def advance(self) -> None:
        """Makes one optimiser step, of the teacher until it is trained, and evaluates at the end of an epoch."""
        if self.teacher is not None:
            self._teach(self.teacher)
            return
        step, losses = self.step, list[float]()
        self.model.train()
        self.optimizer.zero_grad()
        pieces = self.parallel.cut(self._batch(step), self.config.accumulate)
        for i, piece in enumerate(pieces, start=1):
            with self.parallel.last_only(i == len(pieces)):
                losses.append(self._add_gradients(piece, step))
        self.loss = self.parallel.joint_loss(sum(losses))
        if not math.isfinite(self.loss):
            self.diverged_step = step
            return
        self.parallel.finish_gradients(self.model)
        self._update(step)
        self.step = step + 1
        if self.step % self.per_epoch == 0 or self.step == self.steps:
            self._evaluate()

    def _add_gradients(self, piece: Piece, step: int) -> float:
        """Adds the gradients of a piece of a batch; returns its part of the loss, NaN if any pass was not finite."""
        config, losses = self.config, list[Tensor]()

        def loss(batch: Batch) -> Tensor:
            seed_dropout(config, step, *piece.place)  # before each pass, so that all have the same masks
            with mixed_precision(config):
                found: Tensor = self.parallel.loss(batch)
            if self.auxiliary:
                found = found + self.auxiliary.weight * self.auxiliary.loss()
            losses.append(found.detach())
            return found if piece.share == 1 else found * piece.share

        draw = address(config.seed, "adversarial", step, *piece.place)
        mean = float(add_gradients(self.adversarial, self.model, piece.batch, loss, draw))
        return mean if all(map(math.isfinite, map(float, losses))) else math.nan

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
            decay = lr * self.config.weight_decay
            self._look(observer.updates(self.model, before, decay=decay, parallel=self.parallel), step + 1)

    def _look(self, updates: dict[Key, tuple[float, float]], step: int = 0) -> None:
        if self.observer:
            self.layers += self.observer.look(
                self.model, self.probe_batch, step=step, updates=updates, parallel=self.parallel
            )

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
        if self.stopped_early and self.step not in self.probe_steps:
            self._look(updates={}, step=self.step)

    def _score(self, part: Padded) -> Answers:
        return self.answer(part, full=self.full, temperature=self.temperature)

    def answer(self, part: Padded, *, full: bool, temperature: float = 1.0, change: Change = keep_batch) -> Answers:
        """Returns the answers to a part, which all processes give together; see `answers`."""
        with mixed_precision(self.config):
            return answers(
                self.model, part, full=full, temperature=temperature, change=change, processes=self.parallel.rows
            )

    def result(self, *, test: bool = True) -> Result:
        """Returns the result of the run. The test part is used only here, with the last weights and with those of the
        lowest validation loss. `test=False` does not use it; the test numbers then are None."""
        return run_result(self, test=test)

    def collect(self, model: core.StackedAttention) -> None:
        """Puts the last and the best weights of a finished training into a whole stack of process 0, which then is the
        stack of the training there; leaves a whole stack as it is. model: a stack as it was built."""
        if self.parallel.whole:
            return
        last = self.parallel.gather(self.model.state_dict())
        best = None if self.best is None else self.parallel.gather(self.best)
        if self.parallel.processes.rank == 0:
            model.load_state_dict(last)
            self.model, self.best = model, best

    # ---- stopping and resuming

    def state(self) -> dict[str, Any]:
        """Returns a copy of everything that is needed to resume: tensors, numbers, strings, and rows as dicts. Of a
        divided stack process 0 gets the whole tensors."""
        parallel = self.parallel
        live = {
            "model": parallel.gather(self.model.state_dict()),
            "optimizer": parallel.gather_moments(self.model, self.optimizer),
            "reader": [p.detach() for p in self.auxiliary.parameters()],
            "best": None if self.best is None else parallel.gather(self.best),
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
        """Restores a state, the same in every process; the next `advance` makes the step after it."""
        like = self.model.state_dict()
        self.model.load_state_dict(self.parallel.divide(state["model"], like))
        self.parallel.load_moments(self.model, self.optimizer, state["optimizer"])
        with torch.no_grad():
            for parameter, saved in zip(self.auxiliary.parameters(), state["reader"], strict=True):
                parameter.copy_(saved)
        self.best = None if state["best"] is None else self.parallel.divide(state["best"], like)
        self.taught, self.taught_steps = state["taught"], state["taught_steps"]
        if self.teacher is not None and state["teacher"] is not None:
            self.teacher.restore(state["teacher"])
        else:
            self.teacher = None
        self.step, self.waited = 0, state["waited"]
        self.step = state["step"] - self.progress[0]
        self.stopped_early, self.diverged_step = state["stopped_early"], state["diverged_step"]
        self.curve = [StepRow(**row) for row in state["curve"]]
        self.criteria, self.layers = state["criteria"], [LayerRow(**row) for row in state["layers"]]


def seed_dropout(config: Config, step: int, *place: int) -> None:
    """Seeds PyTorch's generator for a step, and in it for the place of a piece: the process that divides rows with
    others, and the piece. Seeding that of the CPU alone is a hundred times faster than all."""
    seed = address(config.seed, "dropout", step, *place)
    if config.device == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
