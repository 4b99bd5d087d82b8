"""A job on another machine: what it and the driver tell each other by small files in the folder of runs.

FOLDER/launches/KEY.told      the step and numbers of a job that goes on
FOLDER/launches/KEY.stop      asks the job to save its state and leave
FOLDER/launches/KEY.end       how the job ended, where the launcher has no other way to say it
FOLDER/launches/KEY.sent      the name that a queue gave the job, for a command that takes it over
FOLDER/launches/KEY.left      the step at which the job last went back to its queue
"""

import contextlib
import hashlib
import json
import os
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from stackcli import __version__
from stackcli.common.memory import keep_freed_memory
from stackcli.launcher.base import PREEMPTED, Outcome, Say, Stop, Work

SECONDS = 1.0  # between two looks at a shared disk: a run asks after every step


class End(NamedTuple):
    """How an attempt at a job ended: done, failed or preempted; what it returned, a traceback or a reason; and the step
    that it reached."""

    state: str
    detail: Any
    told: Any


@dataclass(frozen=True)
class Mailbox:
    """The files of one job."""

    folder: Path
    key: str

    def path(self, kind: str) -> Path:
        return self.folder / "launches" / f"{self.key}.{kind}"

    def write(self, kind: str, value: Any) -> None:
        """Replaces a file as a whole. It is not flushed to disk: after a crash nobody needs it."""
        path = self.path(kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        temporary.write_text(json.dumps(value), encoding="utf-8")
        os.replace(temporary, path)

    def read(self, kind: str) -> Any:
        """Returns what a file holds; None where there is none."""
        try:
            return json.loads(self.path(kind).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def clear(self, *kinds: str) -> None:
        for kind in kinds or ("told", "stop", "end", "sent", "left"):
            with contextlib.suppress(OSError):
                self.path(kind).unlink(missing_ok=True)


class Told:
    """What jobs have reported, as far as it was passed on."""

    def __init__(self, boxes: Sequence[Mailbox]) -> None:
        self.boxes, self.seen = boxes, dict[int, Any]()

    def news(self, jobs: Any) -> Iterator[Outcome]:
        """Yields that jobs have started, and what they have reported since."""
        for job in list(jobs):
            told = self.boxes[job].read("told")
            if told is None or self.seen.get(job) == told:
                continue
            if job not in self.seen:
                yield Outcome(job, "started")
            self.seen[job] = told
            if told:
                yield Outcome(job, "progress", told)

    def last(self, job: int) -> Any:
        return self.seen.get(job)

    def forget(self, job: int) -> None:
        self.seen.pop(job, None)


def job_key(job: Any) -> str:
    """Returns a name for a job that is the same in every command that asks for it."""
    return hashlib.sha256(repr(take_data(job)[0]).encode()).hexdigest()[:20]


def take_data(job: Any) -> tuple[Any, Any]:
    """Returns a job without the data that it shares with others, and those data."""
    if is_dataclass(job) and not isinstance(job, type) and any(f.name == "loaded" for f in fields(job)):
        return replace(job, loaded=None), job.loaded  # type: ignore[attr-defined]
    return job, None


def versions() -> dict[str, str]:
    """Returns the versions that decide what bits a run gives."""
    found = {"Python": ".".join(map(str, sys.version_info[:3])), "stackattn": __version__}
    for name in ("torch", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def check_place(folder: Path, wanted: Mapping[str, str]) -> None:
    """Makes this machine work in the driver's folder. Raises ValueError where it has no such folder, or other versions
    than the driver."""
    host = os.uname().nodename if hasattr(os, "uname") else "this machine"
    try:
        os.chdir(folder)
    except OSError as error:
        raise ValueError(f"{host} has no folder {folder} ({error.strerror}); all machines must share it") from None
    here = versions()
    other = [
        f"{name} {here.get(name, 'is missing')}, not {wanted[name]}"
        for name in wanted
        if here.get(name) != wanted[name]
    ]
    if other:
        raise ValueError(f"{host} has {', '.join(other)}: other versions than the machine of the command")


def enter(work: Work, job: Any, box: Mailbox, *, signals: Sequence[int] = ()) -> tuple[End, int | None]:
    """Does a job in this process, and returns how it ended, and the signal that asked it to stop, if one did. Signals
    and the file KEY.stop ask the job to save and leave."""
    keep_freed_memory()
    asked: list[int | None] = []
    told: list[Any] = [None]
    last = {"say": 0.0, "stop": 0.0}

    def due(what: str) -> bool:
        now = time.monotonic()
        if now - last[what] < SECONDS and last[what]:
            return False
        last[what] = now
        return True

    def say(detail: Any) -> None:
        told[0] = detail
        if due("say"):
            with contextlib.suppress(OSError):  # a display that misses a step is no reason to end a run
                box.write("told", detail)

    def stop() -> bool:
        if not asked and due("stop") and box.path("stop").exists():
            asked.append(None)
        return bool(asked)

    with _handlers(signals, asked):
        end = attempt(work, job, say, stop)
    return End(*end, told[0]), next((number for number in asked if number), None)


def attempt(work: Work, job: Any, say: Say, stop: Stop) -> tuple[str, Any]:
    """Does a job; returns its state, and what it returned or its traceback."""
    say(())
    if stop():
        return "preempted", "it was asked to stop before it began"
    try:
        return "done", work(job, say, stop)
    except SystemExit as left:
        if left.code == PREEMPTED:
            return "preempted", "it was asked to stop, and saved its state"
        return "failed", f"it left with exit code {left.code}"
    except BaseException as error:
        return "failed", "".join(traceback.format_exception(error))


@contextlib.contextmanager
def _handlers(numbers: Sequence[int], asked: list[int | None]) -> Iterator[None]:
    """Inside, signals ask the job to stop, and Ctrl-C is the driver's affair."""
    before = {number: signal.signal(number, lambda n, _: asked.append(n)) for number in numbers}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
