"""One run in a worker process: built, trained, measured, published; and the driver that distributes runs."""

import contextlib
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
from stackcli.experiment.run_processes import train_together
from stackcli.experiment.run_trackers import RunTrackers, report_run
from stackcli.experiment.serialization import to_bytes
from stackcli.experiment.store import Store
from stackcli.launcher.base import PREEMPTED, Executor, Outcome, Say, Stop
from stackcli.training.processes import ALONE, Processes

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
    """One run, unless another process has done it meanwhile. Exits with 75 after saving where it is asked to stop."""
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
            if job.config.devices > 1:
                train_together(job, say, stop)
            else:
                train_reported(job, store, say, stop)


def tell_stage(say: Say, stage: str, **more: int) -> None:
    """Says what the worker of a run does now, and which process it is. Unlike numbers, every stage is sent."""
    say({"stage": stage, "host": platform.node(), "pid": os.getpid(), **more})


def train_reported(job: Job, store: Store, say: Say, stop: Stop, processes: Processes = ALONE) -> None:
    """`train_one`, of which the trackers of a job are told by process 0."""
    with report_run(job) if processes.rank == 0 else contextlib.nullcontext() as trackers:
        train_one(job, store, say, stop, trackers, processes)


def train_one(
    job: Job,
    store: Store,
    say: Say,
    stop: Stop,
    trackers: RunTrackers | None = None,
    processes: Processes = ALONE,
) -> None:
    """Continues from a checkpoint if there is one, trains, publishes. Raises ValueError where the data are no longer
    those that the run was planned with. processes: those that train the run together; process 0 saves and publishes."""
    from stackcli.diagnostics import layer_report
    from stackcli.model.build import build_for

    began, config, trackers = time.time(), job.config, trackers or RunTrackers()
    loaded = _load(job)
    training, before, reached = _build(job, loaded, processes)
    if job.replace and processes.rank == 0:
        store.drop_checkpoints(job.run)
    spent = _continue(training, store, job.run, processes)
    _advance(training, store, job.run, say, stop, trackers, processes, began=began - spent)
    tell_stage(say, "evaluating")
    result = training.result(test=job.test)
    if processes.size > 1:
        training.collect(build_for(config, loaded).to(config.device))
        if processes.rank:
            return
    position = before + _tables(training.model, reached=reached)
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


def _load(job: Job) -> Any:
    """The data of a run, and PyTorch as its settings want it."""
    import torch

    config = job.config
    torch.set_num_threads(config.threads)
    if config.device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    data = registry.build_part("data", config.data.name, **config.data.options)
    loaded = data.load() if job.loaded is None else job.loaded
    if data.fingerprint() != job.content:
        raise ValueError(f"data={config.data.name} has changed since the command began; run it again")
    return loaded


def _build(job: Job, loaded: Any, processes: Processes) -> tuple[Any, list[dict[str, Any]], int]:
    """(training, the encoding's tables before the first step, how many positions training reaches)"""
    from stackcli.diagnostics import layer_statistics
    from stackcli.model.build import build_for
    from stackcli.training import loop

    config = job.config
    model = build_for(config, loaded).to(config.device)
    if part_sources(config) != job.source:  # which is read after its code was
        raise ValueError("the source of a part has changed since the command began; run it again")
    lengths = [len(tokens) for tokens in loaded.train.tokens]
    reached = loaded.max_len if config.pad == "max" and config.mask == "none" else max(lengths)
    divided = processes.size > 1  # then the tables are read while the stack is whole
    tables = _tables(model, reached=reached, trained=True) if divided else []
    training = loop.Training(model, loaded, config, layer_statistics, processes=processes)
    tables = tables if divided else _tables(model, reached=reached, trained=True)
    return training, [_at_start(table, lengths, config) for table in tables], reached


def _advance(
    training: Any,
    store: Store,
    run: str,
    say: Say,
    stop: Stop,
    trackers: RunTrackers,
    processes: Processes,
    *,
    began: float,
) -> None:
    """Trains to the end, with a checkpoint now and then. Where one of the processes is asked to stop, all save one at
    the same step and exit."""
    saved = time.monotonic()
    trackers.report(training)
    while not training.finished:
        training.advance()
        trackers.report(training)
        say((*training.progress, *latest_scores(training)))
        due = time.monotonic() - saved > CHECKPOINT_SECONDS and processes.rank == 0
        wanted = processes.highest(2 if stop() else int(due))
        if wanted:
            state = training.state()
            if processes.rank == 0:
                way = [training.config.devices, training.config.parallel]
                store.save_checkpoint(run, {**state, "seconds": time.time() - began, "processes": way})
            saved = time.monotonic()
        if wanted == 2 and not training.finished:
            processes.highest(0)  # none ends before the checkpoint is saved
            tell_stage(say, "saved", step=training.progress[0])  # which decides whether it is started again
            raise SystemExit(PREEMPTED)


def latest_scores(training: Any) -> tuple[float, ...]:
    """Returns train loss, validation loss and validation accuracy of the last evaluation; empty before the first."""
    rows = training.curve[-1:]
    return tuple(score for row in rows for score in (row.train_loss, row.val_loss, row.val_acc))


def _continue(training: Any, store: Store, run: str, processes: Processes) -> float:
    state = processes.broadcast(store.load_checkpoint(run) if processes.rank == 0 else None)
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
