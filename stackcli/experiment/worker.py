"""One run in a process of its own: built, trained, measured, published; and the driver that distributes runs."""

import os
import platform
import time
from collections.abc import Iterator
from typing import Any

from stackcli import __version__
from stackcli.common import registry
from stackcli.config.settings import GROUPS
from stackcli.experiment.identity import part_sources
from stackcli.experiment.plan import Job, Plan, with_data
from stackcli.experiment.run_trackers import RunTrackers, report_run
from stackcli.experiment.serialization import to_bytes
from stackcli.experiment.store import Store
from stackcli.launcher.base import PREEMPTED, Executor, Outcome, Say, Stop

CHECKPOINT_SECONDS = 60.0


def preload() -> list[str]:
    """The modules that a run needs: loaded before the first, so that an edit of the source reaches no later run. Two
    are loaded by PyTorch's optimisers and by the tool's own main module; the last makes collections cheap."""
    own = (f"stackcli.{g}.{n}" for g in GROUPS for n in registry.part_names(g) if registry.built_in(g, n))
    return [
        "stackcli.experiment.worker",
        "stackcli.training.loop",
        "stackcli.model.build",
        "stackcli.diagnostics.layer_report",
        "stackcli.diagnostics.layer_statistics",
        "stackcli.diagnostics.step_time",
        *own,
        "torch._dynamo",
        "typer",
        "stackcli.common.frozen_objects",
    ]


START = " at initialisation"  # ends the name of a position table before the first step


def run_plan(plan: Plan, executor: Executor, store: Store) -> Iterator[tuple[Job, Outcome]]:
    """Trains what is to be trained, and yields what happens; a failed run's log lies where the outcome says."""
    for outcome in executor.run(run_job, with_data(plan)):
        job = plan.todo[outcome.job]
        if outcome.state == "failed":
            last = str(outcome.detail).strip().rpartition("\n")[2]
            outcome = Outcome(outcome.job, "failed", f"{last} ({keep_log(store, job.run, str(outcome.detail))})")
        yield job, outcome


def keep_log(store: Store, run: str, text: str) -> str:
    """Keeps a failed run's traceback; says where, or that there is no room for it."""
    try:
        return f"log: {store.log_failure(run, text)}"
    except OSError as error:
        return f"no log: {error.strerror}"


def run_job(job: Job, say: Say, stop: Stop) -> None:
    """One run, in a process of its own, unless another process has done it meanwhile. Exits with 75 after saving where
    it is asked to stop."""
    store = Store(job.store, create=False)
    tell_stage(say, "loading")
    waiting: list[bool] = []

    def wait() -> bool:
        if not waiting:
            waiting.append(True)
            tell_stage(say, "waiting for another process that trains it")
        return stop()

    with store.claimed(job.run, wait) as ours:
        if not ours:
            raise SystemExit(PREEMPTED)
        if job.replace or not store.finished(job.run, job.config.keep):
            if waiting:
                tell_stage(say, "loading")
            with report_run(job) as trackers:
                train_one(job, store, say, stop, trackers)


def tell_stage(say: Say, stage: str) -> None:
    """Says what the worker of a run does now, and which process it is."""
    say({"stage": stage, "host": platform.node(), "pid": os.getpid()})


def train_one(job: Job, store: Store, say: Say, stop: Stop, trackers: RunTrackers | None = None) -> None:
    """Continues from a checkpoint if there is one, trains, publishes. Raises ValueError where the data are no longer
    those that the run was planned with."""
    import torch

    from stackcli.diagnostics import layer_report, layer_statistics
    from stackcli.model.build import build_for
    from stackcli.training import loop

    began, config, trackers = time.time(), job.config, trackers or RunTrackers()
    torch.set_num_threads(config.threads)
    if config.device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    data = registry.build_part("data", config.data.name, **config.data.options)
    loaded = data.load() if job.loaded is None else job.loaded
    if data.fingerprint() != job.content:
        raise ValueError(f"data={config.data.name} has changed since the command began; run it again")
    model = build_for(config, loaded).to(config.device)
    if part_sources(config) != job.source:  # which is read after its code was
        raise ValueError("the source of a part has changed since the command began; run it again")
    training = loop.Training(model, loaded, config, layer_statistics)
    if job.replace:
        store.drop_checkpoints(job.run)
    reached = loaded.max_len if config.pad == "max" and config.mask == "none" else max(training.train.lengths)
    before = [
        _at_start(table, training.train.lengths, config) for table in _tables(model, reached=reached, trained=True)
    ]
    spent = _continue(training, store, job.run)
    _advance(training, store, job.run, say, stop, trackers, began=began - spent)
    position = before + _tables(model, reached=reached)
    tell_stage(say, "evaluating")
    result = training.result(test=job.test)
    stack = layer_report.layer_rows(training) if config.probes and job.test and result.status == "done" else ()
    tell_stage(say, "publishing")
    store.publish(
        job.run,
        config=config,
        result=result,
        curve=training.curve,
        layers=training.layers,
        stack=stack,
        position=position,
        words={"vocab": loaded.vocab, "classes": loaded.classes, "max_len": loaded.max_len},
        weights=_weights(training, config.keep),
        provenance=provenance(spent + time.time() - began),
        reproduce=job.reproduce,
        replace=job.replace,
    )
    trackers.finish(result)


def _advance(
    training: Any, store: Store, run: str, say: Say, stop: Stop, trackers: RunTrackers, *, began: float
) -> None:
    """Trains to the end, with a checkpoint now and then. Where it is asked to stop it saves one and exits."""
    saved = time.monotonic()
    trackers.report(training)
    while not training.finished:
        training.advance()
        trackers.report(training)
        say((*training.progress, *latest_scores(training)))
        asked = stop()
        if asked or time.monotonic() - saved > CHECKPOINT_SECONDS:
            store.save_checkpoint(run, {**training.state(), "seconds": time.time() - began})
            saved = time.monotonic()
        if asked and not training.finished:
            raise SystemExit(PREEMPTED)


def latest_scores(training: Any) -> tuple[float, ...]:
    """Returns train loss, validation loss and validation accuracy of the last evaluation; empty before the first."""
    rows = training.curve[-1:]
    return tuple(score for row in rows for score in (row.train_loss, row.val_loss, row.val_acc))


def _continue(training: Any, store: Store, run: str) -> float:
    state = store.load_checkpoint(run)
    if state is None:
        return 0.0
    training.restore(state)
    return float(state["seconds"])


def _weights(training: Any, keep: str) -> bytes | None:
    if keep == "none" or training.diverged_step is not None:
        return None
    last = {k: v.detach().cpu() for k, v in training.model.state_dict().items()}
    best = {k: v.cpu() for k, v in (training.best or last).items()}
    return to_bytes(best if keep == "best" else last)


def _tables(model: Any, *, reached: int, trained: bool = False) -> list[dict[str, Any]]:
    """The encoding's tables for the figure, without positions that training never reaches. `trained`: only tables of
    encodings that are trained, and no biases."""
    own = [(f" {layer}", block.own) for layer, block in enumerate(model.stack, start=1) if block.own is not None]
    out = []
    for suffix, pe in own or [("", model.pe)]:
        if trained and not any(p.requires_grad for p in pe.parameters()):
            continue
        for name, at, rows in pe.tables():
            if trained and name.startswith("bias"):
                continue
            kept = at.abs() < reached
            values = rows.detach().cpu()[kept.cpu()].double().numpy().round(6).tolist()
            out.append({"name": name + suffix, "at": at[kept].tolist(), "rows": values})
    return out


def _at_start(table: dict[str, Any], lengths: Any, config: Any) -> dict[str, Any]:
    """The table before the first step, and the share of training sequences that reach each position or offset."""
    import numpy

    padded = config.pad == "max" and config.mask == "none"  # then every sequence reaches every position
    reach = [1.0 if padded else round(float((numpy.asarray(lengths) > abs(at)).mean()), 4) for at in table["at"]]
    return {**table, "name": table["name"] + START, "reach": reach}


def provenance(seconds: float) -> dict[str, Any]:
    """What may differ between two equal runs: an allow-list, nothing else of the environment."""
    import numpy
    import torch

    return {
        "seconds": round(seconds, 3),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "stackattn": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "system": platform.system(),
        "processor": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
