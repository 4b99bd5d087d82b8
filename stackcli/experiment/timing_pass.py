"""The timing pass: measures the step time of each architecture of a study, one by one, once its runs are done."""

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stackcli.analysis.load_text import describe_load
from stackcli.common import registry
from stackcli.common.wording import count_noun
from stackcli.config.settings import NONE, Config, Part, plain
from stackcli.experiment.identity import digest, part_sources
from stackcli.experiment.plan import estimate
from stackcli.experiment.progress import Counted, Counting, count_silently
from stackcli.experiment.store import Store
from stackcli.experiment.worker import preload
from stackcli.launcher.base import UNFINISHED, Outcome, Say, Stop


def timing_key(config: Config, fingerprint: str) -> str:
    """Returns the key of an architecture on a data set; runs with equal keys are timed once."""
    keys = ("depth", "dim", "heads", "ff", "dropout", "attention_dropout", "layer_drop", "share_layers", "causal")
    more = (
        "mask",
        "kernel",
        "batch",
        "pad",
        "clip",
        "threads",
        "device",
        "precision",
        "compile",
        "pe",
        "residual",
        "norm",
        "attention",
    )
    planned = ("steps", "epochs") if config.compile == "auto" else ()  # which decide whether blocks are compiled
    passes = () if config.is_off("adversarial") else ("adversarial",)
    divided = ("devices", "parallel", "accumulate") if is_divided(config) else ()
    values = {key: plain(getattr(config, key)) for key in (*keys, *more, *planned, *passes, *divided)}
    sources = part_sources(replace(config, distill=NONE))  # a teacher's step takes as long as the stack's own
    own = {"content": fingerprint, "source": sources, "host": platform.node()}
    return digest({**values, "data": config.data.placeless, **own})


def is_divided(config: Config) -> bool:
    """Returns whether several processes or passes make a step of a run; such a step is not timed."""
    return config.devices > 1 or config.accumulate > 1


def time_steps(store: Store, study: str, say: Callable[[str], None], counting: Counting = count_silently) -> None:
    """Measures each architecture of a study that has a finished run and was not yet measured on this machine, in a
    process that runs alone. If that fails, says why; the study then has no new times."""
    runs = [entry for entry in store.read_study(study)["runs"] if store.finished(entry["run"])]
    found = {entry["run"]: store.config(entry["run"]) for entry in runs}
    if any(map(is_divided, found.values())):
        say("no step times of runs with devices=2 or accumulate=2 and more: what is timed is one process and pass")
    runs = [entry for entry in runs if not is_divided(found[entry["run"]])]
    every = {entry["timing"]: found[entry["run"]] for entry in runs}
    same = {e["timing_same"]: found[e["run"]] for e in runs if "timing_same" in e}
    every |= {key: replace(config, kernel="explicit") for key, config in same.items() if key not in every}
    known = {key: found for key, found in store.timings(study).items() if measured_here(found)}
    new = {key: config for key, config in every.items() if key not in known}
    if not new:
        return
    reference = next((f["reference"] for f in known.values() if f["reference"] in every.keys() & known.keys()), "")
    if not reference:  # the first pass, or the reference has left the study
        known, new = {}, every
        reference = min(every, key=lambda key: estimate(every[key], 1000))
    from stackcli.launcher.local import Local

    say(f"timing {count_noun(len(new), 'architectures')}")
    job = Timing(store.root, study, {reference: every[reference], **new}, reference, known)
    executor = Local(workers=1, preload=preload())
    with counting("architectures timed", len(new)) as count:
        outcomes = [watch_timing(outcome, count) for outcome in executor.run(time_all, [job])]
    for outcome in outcomes:
        if outcome.state in (*UNFINISHED, "stopped"):
            why = str(outcome.detail or "it was stopped").strip().split("\n")[-1]
            say(f"no step times: the timing pass did not finish ({why}); the same command tries it again")
        elif outcome.state == "done":
            say(f"timed {describe_load(outcome.detail)}")


def watch_timing(outcome: Outcome, count: Counted) -> Outcome:
    """Returns what happened in a timing pass; what it reports is how many architectures are measured."""
    if outcome.state == "progress":
        count(int(outcome.detail))
    return outcome


def measured_here(found: Any) -> bool:
    """Returns whether times were measured on this machine with this PyTorch, beside a reference."""
    machine = found.get("machine", {})
    here = {"cores": os.cpu_count(), "system": platform.system(), "torch": version("torch")}
    return "reference" in found and all(machine.get(key) == value for key, value in here.items())


@dataclass(frozen=True)
class Timing:
    """A timing pass: the architectures to measure, the reference among them, and the times that are known already."""

    store: Path
    study: str
    configs: Mapping[str, Config]
    reference: str
    known: Mapping[str, Any]


def time_all(job: Timing, say: Say, stop: Stop) -> list[float | None]:
    """Measures architectures and saves their times with the study, each under its key; a job of a launcher. Returns
    the cores that other processes kept busy before and after."""
    from stackcli.diagnostics import machine_load, step_time

    loaded: dict[Part, Any] = {}

    def load(config: Config) -> Any:
        if config.data not in loaded:
            loaded[config.data] = registry.build_part("data", config.data.name, **config.data.options).load()
        return loaded[config.data]

    before = job.known.get(job.reference)
    scale = float(before["times"]["step_ms"]) if before else None
    first = machine_load.measure_load()
    found = step_time.measure_blocks(job.configs, job.reference, load, scale, say)
    loads = [first, machine_load.measure_load()]
    marked = {
        key: {**times, "machine": {**times["machine"], "loads": loads}, "reference": job.reference}
        for key, times in found.items()
    }
    Store(job.store, create=False).save_timings(job.study, {**marked, **job.known})
    return loads
