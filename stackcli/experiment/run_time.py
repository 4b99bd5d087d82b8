"""About how long runs will take: from the recorded times of similar runs, else from a few training steps.

Both are scaled by `plan.estimate`, the closed form of the work of a run. Nothing here can change a result.
"""

import contextlib
import heapq
import math
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, NamedTuple

from stackcli.common import registry
from stackcli.common.atomic_files import CorruptionError
from stackcli.common.wording import format_duration
from stackcli.config.settings import GROUPS, Config, Part
from stackcli.experiment.plan import estimate, trainings_of
from stackcli.experiment.store import Store

NEWEST = 300  # stored runs that are looked at
SAME = ("data", "device", "threads")  # settings that similar runs share
PARTS = ("pe", "residual", "norm", "attention", "kernel", "dim", "adversarial", "distill")  # that they should share
WORK = ("depth", "ff", "batch", "steps", "epochs")  # that `plan.estimate` reads besides
SECONDS = 0.7  # that the calibration may take
BRIEF = 0.25  # seconds of a step that is expected to be short enough for the calibration
UPDATE = 1.15  # a step with the update of the weights, in forward and backward passes
EVALUATION = 1.2  # a run with its evaluations and layer measurements, in training steps


class Record(NamedTuple):
    """A stored run: its settings, the seconds that it took, and the training examples (0: not known)."""

    config: Config
    seconds: float
    examples: int


class Estimate(NamedTuple):
    """About the seconds that runs take, and where the number comes from."""

    seconds: float
    source: str

    def __str__(self) -> str:
        return f"about {format_duration(self.seconds)} of training ({self.source})"


def read_records(store: Store) -> list[Record]:
    """Reads the settings and times of the newest finished runs of a store. Runs that cannot be read are left out."""
    found = []
    for run in store.ids()[:NEWEST] if store.exists else ():
        with contextlib.suppress(CorruptionError, OSError, KeyError, TypeError, ValueError):
            config, result = store.config(run), store.result(run)
            seconds = float(store.files(run).json("provenance.json", "seconds")["seconds"])
            if result["status"] == "done" and seconds > 0:
                epochs = 0 if config.steps or result["stopped_early"] else config.epochs
                examples = config.batch * result["step_end"] // epochs if epochs else 0
                found.append(Record(config, seconds, examples))
    return found


class _Known(NamedTuple):
    """A stored run as it is compared with others: the settings that must agree, those that should, its record, and
    the estimated seconds of its work."""

    same: tuple[Any, ...]
    parts: tuple[Any, ...]
    record: Record
    work: float


def _prepare(records: Sequence[Record]) -> list[_Known]:
    compared = [_compared(record.config) for record in records]
    return [
        _Known(same, parts, record, estimate(record.config, record.examples))
        for (same, parts, _), record in zip(compared, records, strict=True)
    ]


def _compared(config: Config) -> tuple[tuple[Any, ...], ...]:
    """Returns the settings that similar runs must share, that they should share, and all others that decide the time:
    runs that agree in all of them are expected to take as long."""
    return tuple(tuple(getattr(config, name) for name in names) for names in (SAME, PARTS, WORK))


def seconds_like(config: Config, records: Sequence[Record]) -> float | None:
    """Returns about the seconds of a run, from the most similar recorded runs on the same data and device; None without
    any."""
    return _nearest(config, _prepare(records))


def _nearest(config: Config, prepared: Sequence[_Known]) -> float | None:
    same, parts, _ = _compared(config)
    known = [p for p in prepared if p.same == same and (p.record.examples or (config.steps and p.record.config.steps))]
    if not known:
        return None
    work = {examples: estimate(config, examples) for examples in {p.record.examples for p in known}}
    scales = [work[p.record.examples] / p.work for p in known]
    distances = [
        (sum(map(operator.ne, p.parts, parts)), abs(math.log(scale))) for p, scale in zip(known, scales, strict=True)
    ]
    least = min(distances)
    return fmean(p.record.seconds * scale for p, scale, d in zip(known, scales, distances, strict=True) if d == least)


def estimate_from_records(configs: Sequence[Config], records: Sequence[Record], jobs: int) -> Estimate | None:
    """Estimates how long the runs take that are not stored yet; None where a run has no similar one, or none is new."""
    stored, prepared = {replace(record.config, keep="best") for record in records}, _prepare(records)
    alike: dict[Any, float | None] = {}
    each = []
    for config in dict.fromkeys(configs):
        if replace(config, keep="best") in stored:  # what is kept of a run is no part of its identity
            continue
        key = _compared(config)
        if key not in alike:
            alike[key] = _nearest(config, prepared)
        each.append(alike[key])
    known = [seconds for seconds in each if seconds is not None]
    if not each or len(known) < len(each):
        return None
    return Estimate(total_seconds(known, jobs), "from the times of similar runs")


def total_seconds(each: Sequence[float], jobs: int) -> float:
    """Returns how long runs take of which `jobs` are trained at once, the longest first."""
    ends = [0.0] * max(1, jobs)
    for seconds in sorted(each, reverse=True):
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def estimate_from_steps(
    configs: Sequence[Config],
    facts: Mapping[Part, Mapping[str, Any]],
    load: Mapping[Part, Callable[[], Any]],
    jobs: int,
) -> Estimate:
    """Estimates how long runs take, from a few steps of the cheapest and of the dearest run on each data set; from the
    sizes alone where these would take too long, or do not run on the CPU."""
    until, each, timed = time.monotonic() + SECONDS, [], True
    for data in dict.fromkeys(config.data for config in configs):
        mine, size = [c for c in configs if c.data == data], facts[data]["sizes"]["train"]
        work = [estimate(config, size) for config in mine]
        factors = measure_factors(mine, work, size, load.get(data), until)
        timed &= bool(factors)
        each += [seconds * interpolate(factors, seconds) for seconds in work]
    return Estimate(total_seconds(each, jobs), "from a few steps" if timed else "from the sizes alone, so roughly")


def measure_factors(
    configs: Sequence[Config], work: Sequence[float], size: int, load: Callable[[], Any] | None, until: float
) -> list[tuple[float, float]]:
    """Returns (estimated seconds, measured over estimated) of the cheapest and of the dearest run, as far as steps of
    them are brief; empty for none."""
    found: list[tuple[float, float]] = []
    if load is None or not all(map(is_measurable, configs)):
        return found
    from stackcli.diagnostics.step_estimate import time_passes

    order = sorted(range(len(configs)), key=lambda i: work[i])
    for i in dict.fromkeys((order[0], order[-1])):
        config = configs[i]
        steps = config.steps or config.epochs * -(-size // config.batch)
        step = work[i] / steps * (found[0][1] if found else 1.0)
        if step > BRIEF or time.monotonic() > until:
            break
        try:
            passes = time_passes(config, load())
        except Exception:  # the run will say why it fails
            break
        seconds = passes * UPDATE * EVALUATION * steps * trainings_of(config) + 0.5
        found.append((work[i], seconds / work[i]))
    return found


def is_measurable(config: Config) -> bool:
    """Returns whether steps of a run can be made in this process: on the CPU, and without the code of installed parts,
    which only workers run."""
    return config.device == "cpu" and all(
        registry.built_in(group, name) for group in GROUPS for name in config.kinds(group)
    )


def interpolate(factors: Sequence[tuple[float, float]], work: float) -> float:
    """Returns the factor at `work`, along the logarithm of the work between the two that were measured."""
    if not factors:
        return 1.0
    (low, first), (high, last) = factors[0], factors[-1]
    share = math.log(work / low) / math.log(high / low) if high > low else 0.0
    return first + (last - first) * min(1.0, max(0.0, share))
