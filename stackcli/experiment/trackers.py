"""What a command does about trackers: checks them, names them, gives each run its own, says once what went wrong."""

import importlib.util
import shutil
import sys
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from stackcli.common import registry
from stackcli.common.atomic_files import read_json, write_json
from stackcli.common.wording import format_setting
from stackcli.config.settings import Options, Part
from stackcli.experiment.locks import acquire_lock
from stackcli.experiment.run_trackers import Reporting
from stackcli.experiment.store import Store

if TYPE_CHECKING:
    from stackcli.experiment.plan import Plan

TRAINING = ("train", "sweep", "ablate-depth", "compare-pe")  # the commands whose runs can be reported


def used_trackers(trackers: Sequence[Part]) -> tuple[Part, ...]:
    """Returns the trackers that report anything."""
    return tuple(part for part in trackers if part.name != "none")


def check_trackers(trackers: Sequence[Part], command: str) -> None:
    """Raises ValueError where a tracker's library is missing, and for a command that trains nothing."""
    used = used_trackers(trackers)
    if used and command not in TRAINING:
        raise ValueError(
            f"tracker={used[0].name}: {command} trains no runs that could be reported; leave it out, or use it with "
            f"{', '.join(TRAINING[:-1])} or {TRAINING[-1]}"
        )
    for part in used:
        kind = registry.load_part("tracker", part.name)
        if missing := [name for name in kind.modules if not is_installed(name)]:
            how = f"pip install 'stackattn[{kind.extra}]'" if kind.extra else f"pip install {missing[0]}"
            raise ValueError(f"tracker={part.name} needs {missing[0]}, which is not installed: {how}")


def is_installed(module: str) -> bool:
    """Returns whether a module can be imported, without importing it. A folder of that name without Python files, such
    as the one that wandb writes, is none."""
    found = importlib.util.find_spec(module)
    return found is not None and found.origin is not None


def build_tracker(part: Part, out: Path) -> Any:
    return registry.build_part("tracker", part.name, out=out, **part.options)


def describe_trackers(options: Options) -> list[str]:
    """Says to which trackers a command reports its runs, and with which settings."""
    lines = []
    for part in used_trackers(options.trackers):
        keys = [f"{part.name}.{k}={hide_password(format_setting(v))}" for k, v in part.keys if v not in ("", "auto")]
        with_keys = f" ({', '.join(keys)})" if keys else ""
        lines.append(f"tracker={part.name}{with_keys}: reports runs that are trained now, not those finished before")
    return lines


def describe_places(options: Options) -> list[str]:
    """Says where to look at what was reported."""
    if options.dry_run:
        return []
    found = ((part.name, build_tracker(part, options.out).place()) for part in used_trackers(options.trackers))
    return [f"to see what {name} has: {hide_password(place)}" for name, place in found if place]


def hide_password(text: str) -> str:
    """Returns a text without the password of an address in it."""
    from stackcli.experiment.tracker_process import hide_secrets

    return hide_secrets(text)


class TrackerFailures:
    """Says the first failure of each tracker in a command, as soon as a run ends. `notes`: the folder in which runs
    note it; None without trackers."""

    def __init__(self, notes: Path | None) -> None:
        self.notes, self.said = notes, set[str]()

    def show(self) -> None:
        """Says what has not been said, with --quiet too."""
        for path in sorted(self.notes.glob("*.json")) if self.notes else ():
            if path.stem not in self.said:
                self.said.add(path.stem)
                print(describe_failure(path.stem, read_json(path)), file=sys.stderr, flush=True)

    def close(self) -> None:
        self.show()
        if self.notes:
            shutil.rmtree(self.notes, ignore_errors=True)


def describe_failure(name: str, note: Any) -> str:
    """Says what went wrong with a tracker, that the runs go on, and what to do."""
    when, why = note.get("when", ""), note.get("why", "")
    what = {"start": "could not be started", "log": "refused numbers", "finish": "could not end a run"}.get(when, "")
    rest = "for this command it is left out" if when in ("start", "hang", "end") else "the run goes on without it"
    return (
        f"tracker={name}: {what}{': ' if what else ''}{why} (run {note.get('run', '')}); {rest}, and all results are "
        "in the store. When it works again, the same command with --force trains these runs again and reports them"
    )


def report_plan(plan: "Plan", store: Store, options: Options, labels: Sequence[str]) -> "tuple[Plan, TrackerFailures]":
    """Returns the plan with what each run to be trained reports to, and the failures to show meanwhile. labels: of each
    run, as progress shows it."""
    used = used_trackers(options.trackers)
    if not used:
        return plan, TrackerFailures(None)
    notes, key = store.root / "attempts" / f"trackers-{uuid.uuid4().hex[:8]}", folder_key(store)
    todo = tuple(
        replace(job, reporting=Reporting(used, notes, options.study, label, f"{job.run}-{key}"))
        for job, label in zip(plan.todo, labels, strict=True)
    )
    return replace(plan, todo=todo), TrackerFailures(notes)


def folder_key(store: Store) -> str:
    """Returns what tells equal runs of two folders apart in one tracker: a random word that the folder keeps, also when
    it is moved."""
    path = store.root / "trackers.json"
    lock = FileLock(store.root / "claims" / "trackers.lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    acquire_lock(lock)
    try:
        if not path.is_file():
            write_json(path, {"key": uuid.uuid4().hex[:8]})
        return str(store.read(path, "key")["key"])
    finally:
        lock.release()
