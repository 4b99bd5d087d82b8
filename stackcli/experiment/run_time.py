"""About how long runs will take: from the recorded times of similar runs, else from a few training steps.

Both are scaled by `plan.estimate`, the closed form of the work of a run. Nothing here can change a result.
"""

import contextlib
import heapq
import math
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from stackcli.common import registry
from stackcli.common.atomic_files import CorruptionError
from stackcli.common.wording import format_duration
from stackcli.config.settings import GROUPS, Config, Part
from stackcli.experiment.plan import estimate, trainings_of
from stackcli.experiment.store import Store

NEWEST = 300  # stored runs that are looked at
PARTS = (
    "pe",
    "residual",
    "norm",
    "attention",
    "kernel",
    "dim",
    "adversarial",
    "distill",
)  # settings that similar runs should share
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


def is_stored(config: Config, records: Sequence[Record]) -> bool:
    """Returns whether a run of these settings is among the records."""
    return any(record.config.identity() == config.identity() for record in records)


def seconds_like(config: Config, records: Sequence[Record]) -> float | None:
    """Returns about the seconds of a run, from the most similar recorded runs on the same data and device; None without
    any."""
    known = [
        record
        for record in records
        if (record.config.data, record.config.device, record.config.threads)
        == (config.data, config.device, config.threads)
        and (record.examples or (config.steps and record.config.steps))
    ]

    def scale(record: Record) -> float:
        return estimate(config, record.examples) / estimate(record.config, record.examples)

    def distance(record: Record) -> tuple[int, float]:
        differ = sum(getattr(record.config, name) != getattr(config, name) for name in PARTS)
        return differ, abs(math.log(scale(record)))

    if not known:
        return None
    nearest = min(map(distance, known))
    return fmean(record.seconds * scale(record) for record in known if distance(record) == nearest)


def estimate_from_records(configs: Sequence[Config], records: Sequence[Record], jobs: int) -> Estimate | None:
    """Estimates how long the runs take that are not stored yet; None where a run has no similar one, or none is new."""
    new = [config for config in dict.fromkeys(configs) if not is_stored(config, records)]
    each = [seconds_like(config, records) for config in new]
    known = [seconds for seconds in each if seconds is not None]
    if not new or len(known) < len(each):
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
