"""What a study is doing, put together from its files, for `watch`. Reads only, and takes no lock."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stackcli.common.atomic_files import CorruptionError
from stackcli.experiment.live_files import LiveRun, LiveWork, live_folder, read_works
from stackcli.experiment.report import find_study
from stackcli.experiment.store import Store

State = Literal["finished", "diverged", "running", "failed", "damaged", "planned"]
STATES: tuple[State, ...] = ("finished", "diverged", "running", "failed", "damaged", "planned")
BAD: tuple[State, ...] = ("failed", "damaged")


@dataclass(frozen=True)
class WatchedRun:
    """A planned run: its id, its name in messages, its state, what the worker that has it does, the result of one that
    is finished, why it failed, and its log."""

    run: str
    label: str
    state: State
    live: LiveRun | None = None
    result: Mapping[str, Any] | None = None
    why: str = ""
    log: str = ""


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment: its runs, the processes that work on it and those that were killed, and the command that
    goes on. `total`: planned runs; of a search also those that it has not chosen yet."""

    study: str
    runs: tuple[WatchedRun, ...]
    total: int
    works: tuple[LiveWork, ...]
    killed: tuple[LiveWork, ...]
    again: str

    def count(self, *states: State) -> int:
        return sum(run.state in states for run in self.runs)

    @property
    def finished(self) -> int:
        return self.count("finished", "diverged")

    @property
    def failed(self) -> int:
        return self.count(*BAD)

    @property
    def complete(self) -> bool:
        """Whether every planned run has ended and no process works on the study."""
        return not self.works and bool(self.runs) and self.finished + self.failed >= self.total

    @property
    def stalled(self) -> bool:
        """Whether runs are missing and no process works on the study."""
        return not self.works and not self.complete

    @property
    def code(self) -> int:
        """The exit code: 1 where runs failed, or are missing while no process works on them."""
        return 1 if self.failed or self.stalled else 0

    @property
    def share(self) -> float:
        """The share of the planned runs that is done, with what is done of those that go on."""
        parts = (run.live.told for run in self.runs if run.state == "running" and run.live)
        part = sum(min(1.0, told[0] / told[1]) for told in parts if len(told) > 1 and told[1] > 0)
        return min(1.0, (self.finished + self.failed + part) / max(1, self.total))

    @property
    def seconds_left(self) -> float | None:
        """About the seconds that are left: the open runs at the speed at which all processes together work off theirs;
        None where none of them has said how long it takes."""
        if any(work.count for work in self.works):
            left = [work.seconds_left for work in self.works if work.count and work.seconds_left is not None]
            return max(left, default=None)
        open_runs, speed = self.total - self.finished - self.failed, 0.0
        for work in self.works:
            if work.seconds_left is not None and work.total > work.ended:
                speed += (work.total - work.ended) / max(0.1, work.seconds_left - work.age)
        return open_runs / speed if speed and open_runs > 0 else None


class StudyWatch:
    """Takes snapshots of a study. What was read and cannot change is kept, so that a further one takes little time."""

    def __init__(self, store: Store, study: str) -> None:
        self.store, self.study = store, study
        self.results: dict[str, Mapping[str, Any]] = {}
        self.stamp: tuple[int, int] = (0, 0)
        self.record: Mapping[str, Any] = {"runs": []}

    def snapshot(self) -> Snapshot:
        """Reads the study. The live files first: a process that ends meanwhile has then written its last result."""
        works = read_works(self.store.study(self.study))
        alive = tuple(work for work in works if work.alive)
        killed = tuple(work for work in works if not work.alive)
        record = self.read_record()
        runs = tuple(self.watch_runs(record["runs"], alive))
        planned = record.get("planned", 0 if record["runs"] else max((work.total for work in works), default=0))
        newest = [work.again for work in (*killed, *alive)]
        again = str(record.get("again") or next(iter(newest), ""))
        return Snapshot(self.study, runs, max(len(runs), planned), alive, killed, again)

    def read_record(self) -> Mapping[str, Any]:
        """Returns study.json, read again where it has changed; without runs where a search has just begun."""
        path = self.store.study(self.study) / "study.json"
        try:
            found = path.stat()
        except FileNotFoundError:
            return self.record
        if (found.st_mtime_ns, found.st_size) != self.stamp:
            self.record, self.stamp = self.store.read_study(self.study), (found.st_mtime_ns, found.st_size)
        return self.record

    def watch_runs(self, entries: Sequence[Mapping[str, Any]], works: Sequence[LiveWork]) -> Iterator[WatchedRun]:
        """Yields the planned runs; a search that has just begun has none in its study yet, but those that go on."""
        live = self.live_runs(works)
        failures = {run: why for work in works for run, why in work.failures.items()}
        seen = set()
        for entry in entries:
            seen.add(entry["run"])
            label = f"{entry['point'] or 'run'} seed={entry['settings'].get('seed')}"
            status = entry.get("status", "")
            why = failures.get(entry["run"], f"{status}, as the study says" if status in ("failed", "lost") else "")
            yield self.watch_run(entry["run"], label, live.get(entry["run"]), why)
        for run, found in live.items():
            if run not in seen:
                yield self.watch_run(run, found.label, found, "")
        for run in set(failures) - seen - live.keys():
            yield self.watch_run(run, run, None, failures[run])

    def live_runs(self, works: Sequence[LiveWork]) -> dict[str, LiveRun]:
        """Returns the runs that go on; one that another process waits for, as the process does that trains it."""
        found: dict[str, LiveRun] = {}
        for run in (run for work in works for run in work.running):
            known = found.get(run.run)
            if known is None or known.stage.startswith("waiting") or len(run.told) > len(known.told):
                found[run.run] = run
        return found

    def watch_run(self, run: str, label: str, live: LiveRun | None, why: str) -> WatchedRun:
        """Returns the state of a planned run. One that is published is finished, whatever else is said of it."""
        try:
            result = self.read_result(run)
        except (CorruptionError, OSError) as error:
            return WatchedRun(run, label, "damaged", why=str(error))
        again = live is not None and live.told and not live.stage.startswith("waiting")  # trained again with --force
        if result is not None and not again:
            return WatchedRun(run, label, "diverged" if result["status"] == "diverged" else "finished", result=result)
        if live is not None:
            return WatchedRun(run, label, "running", live)
        if why:
            log = self.store.root / "attempts" / f"{run}.log"
            return WatchedRun(run, label, "failed", why=why, log=str(log) if log.is_file() else "")
        return WatchedRun(run, label, "planned")

    def read_result(self, run: str) -> Mapping[str, Any] | None:
        """Returns the result of a finished run, read once; None for any other."""
        if run not in self.results:
            if not (self.store.run(run) / "result.json").is_file():
                return None
            self.results[run] = self.store.result(run)
        return self.results[run]


def choose_study(store: Store, study: str) -> str:
    """Returns the study to watch: the one named, else the newest that a process works on, else the newest. Raises
    ValueError for an unknown one."""
    found = {folder.parent.name: read_works(folder.parent) for folder in (store.root / "studies").glob("*/live")}
    if study in found:
        return study
    ages = {name: min(w.age for w in works if w.alive) for name, works in found.items() if any(w.alive for w in works)}
    if not study and ages:
        return min(ages, key=lambda name: (newest_start(store.study(name)), name))
    return find_study(store, study)


def newest_start(study: Path) -> float:
    """Returns a number that is smaller, the later a study was begun or grown."""
    try:
        return -(study / "study.json").stat().st_mtime
    except OSError:
        return -live_folder(study).stat().st_mtime


def describe_workers(works: Sequence[LiveWork]) -> str:
    """Returns which processes work on a study; those of this machine by their id."""
    here = platform.node()
    return ", ".join(str(work.pid) if work.host == here else work.name for work in works)
