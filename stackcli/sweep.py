"""Configs -> finished runs, skipping those already there; then the step times. The driver, and one run's work."""

import os
import platform
import re
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stackcli import __version__, parts, source
from stackcli.launcher.base import PREEMPTED, Executor, Outcome, Say, Stop
from stackcli.record import Facts
from stackcli.settings import GROUPS, Config, Part
from stackcli.store import NUMERICS_VERSION, Store, digest, run_id, sources, to_bytes

CHECKPOINT_SECONDS = 60.0
OPERATIONS_A_SECOND = 5e10  # floating-point, of one thread in training: a guess, for --dry-run and the order of runs


@dataclass(frozen=True)
class Job:
    """One run to be done."""

    run: str
    config: Config
    store: Path
    reproduce: str
    content: str  # fingerprint of the data that was planned with
    source: Mapping[str, str]  # of the parts
    replace: bool = False
    test: bool = True  # whether the test part is read


@dataclass(frozen=True)
class Plan:
    """What a command will do: every run of the study in order, and which of them are still to be trained, the longest
    first, so that no worker stands idle while a long one ends."""

    ids: tuple[str, ...]
    configs: tuple[Config, ...]
    todo: tuple[Job, ...]
    facts: Mapping[Part, Mapping[str, Any]]
    facts_keys: Mapping[Part, str]

    @property
    def cached(self) -> int:
        return len(set(self.ids)) - len(self.todo)


def plan(
    configs: Sequence[Config],
    store: Store,
    *,
    force: bool = False,
    test: bool = True,
    soon: Callable[[], None] = lambda: None,
) -> Plan:
    """Reads each data set once; without `test` the runs never see the test part. Raises DataError for data that cannot
    be used, ValueError for a device that is not there and for sizes that a part refuses. `soon` is called as soon as it
    is known that something will be trained."""
    check_device({c.device for c in configs})
    made = {data: parts.build("data", data.name, **data.options) for data in dict.fromkeys(c.data for c in configs)}
    prints = {data: fingerprint(data, one) for data, one in made.items()}
    ids = tuple(run_id(c, prints[c.data], test=test) for c in configs)
    todo: dict[str, Job] = {}
    for run, config in zip(ids, configs, strict=True):
        if force or not store.finished(run, config.keep):
            told = reproduce(config), prints[config.data], sources(config)
            todo[run] = Job(run, config, store.root, *told, replace=force, test=test)
    if todo:
        soon()
    facts: dict[Part, Mapping[str, Any]] = {}
    keys: dict[Part, str] = {}
    for data, one in made.items():
        keys[data], facts[data] = known(data, one, prints[data], store)
    for config in configs:
        check_fit(config, facts[config.data])
    check_parts((job.config, facts[job.config.data]) for job in todo.values())
    longest_first = sorted(todo.values(), key=lambda j: -estimate(j.config, facts[j.config.data]["sizes"]["train"]))
    return Plan(ids, tuple(configs), tuple(longest_first), facts, keys)


def fingerprint(data: Part, made: Any) -> str:
    """Of the data's content. Raises PartError where the code of an installed part fails."""
    with parts.blaming("data", data.name):
        return str(made.fingerprint())


def estimate(config: Config, examples: int) -> float:
    """Seconds of a run, roughly: three times the forward pass of 32 tokens a sequence, and 2 ms a block and step."""
    steps = config.steps or config.epochs * -(-examples // config.batch)
    work = 3 * config.depth * 32 * config.batch * (8 + 4 * config.ff) * config.dim**2
    return float(steps * (work / OPERATIONS_A_SECOND + 0.002 * config.depth + 0.003) + 0.5)


def preload() -> list[str]:
    """The modules that a run needs: loaded before the first, so that an edit of the source reaches no later run. The
    last two are loaded by PyTorch's optimisers and by the tool's own main module."""
    own = (f"stackcli.{g}.{n}" for g in GROUPS for n in parts.names(g) if parts.built_in(g, n))
    return ["stackcli.sweep", "stackcli.train", "stackcli.inside", "stackcli.timing", *own, "torch._dynamo", "typer"]


def check_device(devices: set[str]) -> None:
    """Raises ValueError where a device is asked for that this machine lacks."""
    if devices == {"cpu"}:
        return
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    for device in sorted(devices):
        if not there[device]:
            raise ValueError(f"device={device}: not there; this machine has {', '.join(d for d in there if there[d])}")


def check_fit(config: Config, facts: Mapping[str, Any]) -> None:
    """Raises ValueError for settings that do not go with the data."""
    size = facts["sizes"]["train"]
    if config.batch > size:
        raise ValueError(f"batch={config.batch}: larger than the training part ({size} sequences); write batch={size}")
    options, longest = config.pe.options, facts.get("max_len", 0)
    if options.get("randomised") and options["range"] < longest:
        raise ValueError(f"pe.range={options['range']}: the longest input has {longest} positions; pe.range={longest}")
    if facts.get("vectors") not in (None, config.dim):
        raise ValueError(
            f"the word vectors have {facts['vectors']} numbers each: dim={facts['vectors']}, not {config.dim}"
        )
    if facts.get("causal") and not config.causal:
        raise ValueError(f"data={config.data.name} asks for what comes next, which the model must not see: causal=true")


def check_parts(jobs: Iterable[tuple[Config, Mapping[str, Any]]]) -> None:
    """Makes every combination of parts once, without the model around them, so that sizes that do not fit are known
    before the first run. Raises ValueError with all of them."""
    distinct = {
        (c.dim, c.heads, c.pe, c.residual, c.norm, c.attention, c.init, c.data, c.layer_drop > 0): (c, facts)
        for c, facts in jobs
    }
    if not distinct:
        return
    from stackcli.model import try_parts

    problems: dict[str, None] = {}
    for config, facts in distinct.values():
        try:
            if parts.load("pe", config.pe.name).needs_tree and not facts.get("tree"):
                why = (
                    f": {reason}; parse the sentences, or choose another pe"
                    if (reason := facts.get("treeless"))
                    else ""
                )
                raise ValueError(
                    f"pe={config.pe.name} needs data that carry a tree, which data={config.data.name} lack{why}"
                )
            try_parts(config)
        except ValueError as error:
            problems[str(error)] = None
    if problems:
        raise ValueError("\n".join(problems))


def known(data: Part, made: Any, content: str, store: Store) -> tuple[str, Mapping[str, Any]]:
    """(key, facts) of a data set; `keep_facts` keeps the facts, baselines included, under their key."""
    options = data.placeless
    own = {"source": source.fingerprint("data", data.name), "numerics": NUMERICS_VERSION}
    own |= {k: v for k, v in data.keys if k == "encoding"}  # in the notices
    key = digest({"name": data.name, "content": content, **options, **own})
    facts = store.facts(key)
    if facts is None:
        from stackcli.baselines import facts as work_out

        with parts.blaming("data", data.name):
            loaded = made.load()
        found: Facts = work_out(data.name, content, loaded)
        facts = asdict(found)
    return key, facts


def keep_facts(plan: Plan, store: Store) -> None:
    """So that the next command need not work them out."""
    for data, key in plan.facts_keys.items():
        if store.facts(key) is None:
            store.save_facts(key, plan.facts[data])


def reproduce(config: Config) -> str:
    """The one line that trains this run again."""
    words = [f"{key}={typed(value)}" for key, value in config.flat().items()]
    return "stackattn train " + " ".join(shlex.quote(w) for w in words)


DRAWN = "table as drawn"  # of the positions before the first step
PLAIN = re.compile(r"(?!(?i:true|false|null|nan|inf)$)[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)


def typed(value: Any) -> str:
    """A value as Hydra's grammar reads it back: text that could be anything else is quoted."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not PLAIN.fullmatch(value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)


def run(plan: Plan, executor: Executor, store: Store) -> Iterator[tuple[Job, Outcome]]:
    """Trains what is to be trained, and yields what happens; a failed run's log lies where the outcome says."""
    for outcome in executor.run(work, plan.todo):
        job = plan.todo[outcome.job]
        if outcome.state == "failed":
            last = str(outcome.detail).strip().rpartition("\n")[2]
            outcome = Outcome(outcome.job, "failed", f"{last} ({logged(store, job.run, str(outcome.detail))})")
        yield job, outcome


def logged(store: Store, run: str, text: str) -> str:
    """Keeps a failed run's traceback; says where, or that there is no room for it."""
    try:
        return f"log: {store.log_failure(run, text)}"
    except OSError as error:
        return f"no log: {error.strerror}"


def work(job: Job, say: Say, stop: Stop) -> None:
    """One run, in a process of its own, unless another process has done it meanwhile. Exits with 75 after saving where
    it is asked to stop."""
    store = Store(job.store, create=False)
    with store.claimed(job.run, stop) as ours:
        if not ours:
            raise SystemExit(PREEMPTED)
        if job.replace or not store.finished(job.run, job.config.keep):
            train_one(job, store, say, stop)


def train_one(job: Job, store: Store, say: Say, stop: Stop) -> None:
    """Continues from a checkpoint if there is one, trains, publishes. Raises ValueError where the data are no longer
    those that the run was planned with."""
    import torch

    from stackcli import inside, train
    from stackcli.model import build_for

    began, config = time.time(), job.config
    torch.set_num_threads(config.threads)
    if config.device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    data = parts.build("data", config.data.name, **config.data.options)
    loaded = data.load()
    if data.fingerprint() != job.content:
        raise ValueError(f"data={config.data.name} has changed since the command began; run it again")
    model = build_for(config, loaded).to(config.device)
    if sources(config) != job.source:  # which is read after its code was
        raise ValueError("the source of a part has changed since the command began; run it again")
    training = train.Training(model, loaded, config)
    if job.replace:
        store.drop_checkpoints(job.run)
    padding_counts = config.pad == "max" and config.mask == "none"
    reached = loaded.max_len if padding_counts else max(training.train.lengths)
    moves = any(p.requires_grad for p in model.pe.parameters())
    drawn = [{**t, "name": DRAWN} for t in _tables(model, reached=reached) if t["name"] == "table" and moves]
    spent = _continue(training, store, job.run)
    saved = time.monotonic()
    while not training.finished:
        training.advance()
        say((training.step, training.steps, training.loss))
        asked = stop()
        if asked or time.monotonic() - saved > CHECKPOINT_SECONDS:
            seconds = spent + time.time() - began
            store.save_checkpoint(job.run, {**training.state(), "seconds": seconds})
            saved = time.monotonic()
        if asked and not training.finished:
            raise SystemExit(PREEMPTED)
    position = drawn + _tables(model, reached=reached)
    result = training.result(test=job.test)
    stack = inside.rows(training) if config.probes and job.test and result.status == "done" else ()
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


def _tables(model: Any, *, reached: int) -> list[dict[str, Any]]:
    """The encoding's tables as trained, for the figure: rows of positions that training never reached are left out."""
    own = [(f" {layer}", block.own) for layer, block in enumerate(model.stack, start=1) if block.own is not None]
    out = []
    for suffix, pe in own or [("", model.pe)]:
        for name, at, rows in pe.tables():
            kept = at.abs() < reached
            values = rows.detach().cpu()[kept.cpu()].double().numpy().round(6).tolist()
            out.append({"name": name + suffix, "at": at[kept].tolist(), "rows": values})
    return out


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


# ---- the timing pass


def timing_key(config: Config, fingerprint: str) -> str:
    """Of an architecture on a data set: runs that agree are timed once."""
    from stackcli.settings import plain

    keys = ("depth", "dim", "heads", "ff", "dropout", "attention_dropout", "layer_drop", "share_layers", "causal")
    more = ("mask", "kernel", "batch", "pad", "clip", "threads", "device", "pe", "residual", "norm", "attention")
    values = {key: plain(getattr(config, key)) for key in (*keys, *more)}
    own = {"content": fingerprint, "source": sources(config), "host": platform.node()}
    return digest({**values, "data": config.data.placeless, **own})


def time_steps(store: Store, study: str, say: Callable[[str], None]) -> None:
    """Measures each architecture of a study that has a result and was not measured on this machine before, alone, in a
    process of its own, which finds PyTorch loaded. Where that fails the study has no new times, and it is said."""
    runs = [entry for entry in store.read_study(study)["runs"] if store.finished(entry["run"])]
    every = {entry["timing"]: store.config(entry["run"]) for entry in runs}
    same = {e["timing_same"]: store.config(e["run"]) for e in runs if "timing_same" in e}
    every |= {key: replace(config, kernel="explicit") for key, config in same.items() if key not in every}
    known = {key: found for key, found in store.timings(study).items() if measured_here(found)}
    new = {key: config for key, config in every.items() if key not in known}
    if not new:
        return
    reference = next((f["reference"] for f in known.values() if f["reference"] in every.keys() & known.keys()), "")
    if not reference:  # the first pass, or one whose reference is no more
        known, new = {}, every
        reference = min(every, key=lambda key: estimate(every[key], 1000))
    from stackcli.launcher.local import Local

    say(f"timing {len(new)} architecture{'s' if len(new) > 1 else ''}, alone on the machine")
    job = Timing(store.root, study, {reference: every[reference], **new}, reference, known)
    for outcome in Local(workers=1, preload=preload()).run(time_all, [job]):
        if outcome.state in ("failed", "lost", "stopped"):
            why = str(outcome.detail or "it was stopped").strip().split("\n")[-1]
            say(f"no step times: the timing pass did not finish ({why}); the same command tries it again")


def measured_here(found: Any) -> bool:
    """Whether times are of this machine with this PyTorch, and of a pass that had a reference."""
    machine = found.get("machine", {})
    here = {"cores": os.cpu_count(), "system": platform.system(), "torch": version("torch")}
    return "reference" in found and all(machine.get(key) == value for key, value in here.items())


@dataclass(frozen=True)
class Timing:
    """A timing pass: the architectures to be measured, the reference among them, and those that are known already."""

    store: Path
    study: str
    configs: Mapping[str, Config]
    reference: str
    known: Mapping[str, Any]


def time_all(job: Timing, say: Say, stop: Stop) -> None:
    """Times architectures, each under its key, and saves what was found with the study; a job of a launcher."""
    from stackcli import timing

    loaded: dict[Part, Any] = {}

    def load(config: Config) -> Any:
        if config.data not in loaded:
            loaded[config.data] = parts.build("data", config.data.name, **config.data.options).load()
        return loaded[config.data]

    before = job.known.get(job.reference)
    scale = float(before["times"]["step_ms"]) if before else None
    found = timing.measure_blocks(job.configs, job.reference, load, scale)
    marked = {key: {**times, "reference": job.reference} for key, times in found.items()}
    Store(job.store, create=False).save_timings(job.study, {**marked, **job.known})
