"""Live files: what a process that works on a study is doing, for `stackattn watch`.

OUT/studies/NAME/live/HOST-PID.json is replaced at most once a second, and at least every BEAT seconds; it is deleted
when the process ends. It is derived: nothing that is trained or reported depends on it, it is not flushed to disk, and
no error with it stops anything. That of a killed process stays until the next process that works on the study deletes
it.
"""

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackcli.common.heartbeat import repeat_action
from stackcli.common.records import dumps, loads

FORMAT = 1
BEAT = 10.0  # seconds after which a file is written again where nothing has changed
STALE = 60.0  # seconds without a change after which a process of another machine counts as ended
MOST = 1_000_000  # bytes of a file that is read


@dataclass(frozen=True)
class LiveRun:
    """A run that a process works on: its id, its name in messages, its stage, its worker, and what it last reported:
    (step, steps, train loss, validation loss, validation accuracy), as far as it has them."""

    run: str
    label: str
    stage: str
    host: str
    pid: int
    told: tuple[float, ...]


@dataclass(frozen=True)
class LiveWork:
    """A process that works on a study, as its file says. `alive`: whether it still does; `age`: seconds since it last
    wrote; `again`: the command that goes on; `count`: (what is counted, done, all) outside the training."""

    host: str
    pid: int
    alive: bool
    age: float
    again: str
    total: int
    ended: int
    seconds_left: float | None
    running: tuple[LiveRun, ...]
    failures: Mapping[str, str]  # run -> why
    count: tuple[str, int, int] | None

    @property
    def name(self) -> str:
        return f"{self.host}:{self.pid}"


def live_folder(study: Path) -> Path:
    """Returns the folder of a study's live files."""
    return study / "live"


def process_place() -> str:
    """Returns where the id of a process is valid: this machine, and in it the namespace of a container."""
    try:
        return f"{platform.node()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def process_birth(pid: int) -> str | None:
    """Returns when a process of this machine began, so that another one with its id is not taken for it; empty where it
    has ended, None where that cannot be told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self/stat").exists() else None
    except (OSError, IndexError):
        return None


def is_alive(place: str, pid: int, birth: str | None, age: float) -> bool:
    """Returns whether the process that wrote a file still runs: by its id on the same machine, else by the age."""
    if place == process_place():
        found = process_birth(pid)
        if found is not None and birth is not None:
            return bool(found) and found == birth
        if os.name == "posix":
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return False
            except OSError:  # it belongs to somebody else
                return True
            return True
    return age < STALE


# ---- writing


@contextlib.contextmanager
def keep_live(study: Path, again: str, state: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
    """Inside the block a live file says what this process does; `state`: the rest of its content."""
    file = LiveFile(study, again, state)
    file.drop_stale()
    file.beat()
    try:
        with repeat_action(file.beat, seconds=1.0):
            yield
    finally:
        file.drop()


class LiveFile:
    """The live file of this process. Every OSError is left unsaid: a full disk is reported by what matters."""

    def __init__(self, study: Path, again: str, state: Callable[[], Mapping[str, Any]]) -> None:
        host = "".join(c if c.isalnum() or c in "-." else "_" for c in platform.node()) or "host"
        self.folder, self.state = live_folder(study), state
        self.path = self.folder / f"{host[:80]}-{os.getpid()}.json"
        birth = process_birth(os.getpid())
        self.head = {"format": FORMAT, "host": platform.node(), "pid": os.getpid(), "place": process_place()}
        self.head |= {"birth": birth, "again": again}
        self.last, self.written = "", 0.0

    def beat(self) -> None:
        """Writes the file where its content has changed or is BEAT seconds old."""
        text = dumps({**self.head, **self.state()}, ascii_only=True)
        if text == self.last and time.monotonic() - self.written < BEAT:
            return
        self.last, self.written = text, time.monotonic()
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        with contextlib.suppress(OSError):
            self.folder.mkdir(exist_ok=True)
            temporary.write_text(text, encoding="ascii")
            os.replace(temporary, self.path)

    def drop(self) -> None:
        """Deletes the file, and the folder where no other process has one there."""
        for path in (self.path, self.path.with_name(f".{self.path.name}.tmp")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def drop_stale(self) -> None:
        """Deletes the files that killed processes left."""
        for path in list_files(self.folder):
            found = read_work(path)
            if found is None or not found.alive:
                with contextlib.suppress(OSError):
                    if found is not None or time.time() - path.stat().st_mtime > STALE:
                        path.unlink()


# ---- reading


def list_files(folder: Path) -> list[Path]:
    """Returns the live files of a study, by name."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".json" and not path.name.startswith("."))
    except OSError:
        return []


def read_works(study: Path) -> list[LiveWork]:
    """Returns what the live files of a study say; damaged and half-written ones are left out."""
    return [found for path in list_files(live_folder(study)) if (found := read_work(path)) is not None]


def read_work(path: Path) -> LiveWork | None:
    """Reads a live file; None where it cannot be read or holds something else."""
    try:
        with open(path, "rb") as file:
            age = max(0.0, time.time() - os.fstat(file.fileno()).st_mtime)
            value = loads(file.read(MOST).decode("ascii"))
        return parse_work(value, age) if isinstance(value, dict) else None
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None


def parse_work(value: Mapping[str, Any], age: float) -> LiveWork | None:
    """Returns the content of a live file. Raises KeyError, TypeError or ValueError where it is something else; None
    where a later version wrote it."""
    if value["format"] != FORMAT:
        return None
    count, left = value["count"], value["seconds_left"]
    return LiveWork(
        host=str(value["host"]),
        pid=int(value["pid"]),
        alive=is_alive(str(value["place"]), int(value["pid"]), value["birth"], age),
        age=age,
        again=str(value["again"]),
        total=int(value["total"]),
        ended=int(value["ended"]),
        seconds_left=None if left is None else float(left),
        running=tuple(map(parse_run, value["running"])),
        failures={str(run): str(why) for run, why in dict(value["failures"]).items()},
        count=None if count is None else (str(count[0]), int(count[1]), int(count[2])),
    )


def parse_run(value: Mapping[str, Any]) -> LiveRun:
    """Returns a run of a live file."""
    run, label, stage, host = (str(value[key]) for key in ("run", "label", "stage", "host"))
    return LiveRun(run, label, stage, host, int(value["pid"]), tuple(float(number) for number in value["told"]))
