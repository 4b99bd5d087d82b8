"""Reports a run to trackers while it is trained, each in a process of its own, which can neither change the run, stop
it nor keep it waiting for ever."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackcli.common.records import dumps, loads
from stackcli.config.settings import Part

if TYPE_CHECKING:
    from stackcli.experiment.plan import Job

PATIENCE = 60.0  # seconds that a run which has ended waits for its trackers
PATIENCE_STOPPED = 10.0  # the same where it was asked to stop: what is lost is reported when it goes on
MAIN = "from stackcli.experiment.tracker_process import serve_stdin; serve_stdin()"
GRADIENTS = ("g1", "g2", "g3", "g4")


@dataclass(frozen=True)
class Reporting:
    """To which trackers a run reports, and as what. notes: a folder in which the first failure of each tracker is noted
    for the command; key: as in TrackedRun."""

    trackers: tuple[Part, ...]
    notes: Path
    study: str
    label: str
    key: str


class RunTrackers:
    """The trackers of one run. None where the job has no `reporting`."""

    def __init__(self, job: "Job | None" = None) -> None:
        given = job.reporting if job else None
        parts = [p for p in given.trackers if not has_stopped(given.notes, p.name)] if given else []
        self.processes = [TrackerProcess(part, job, given) for part in parts if job and given]
        self.curve = self.layers = 0  # rows that are reported

    def report(self, training: Any) -> None:
        """Reports the rows that a training has made since the last call, those of a checkpoint included: a tracker that
        knows their steps leaves them out."""
        if not self.processes:
            return
        curve, layers = training.curve[self.curve :], training.layers[self.layers :]
        self.curve, self.layers = len(training.curve), len(training.layers)
        for step, numbers in sorted(numbers_by_step(curve, layers).items()):
            self._send({"step": step, "numbers": numbers})

    def finish(self, result: Any) -> None:
        """Reports the Result of the run."""
        self._send({"result": {k: v for k, v in asdict(result).items() if isinstance(v, int | float | str)}})

    def close(self, *, stopped: str = "") -> None:
        """Waits until the trackers have ended. `stopped`: the status of a run that has no result."""
        if stopped:
            self._send({"result": {"status": stopped}})
        until = time.monotonic() + (PATIENCE_STOPPED if stopped == "stopped" else PATIENCE)
        for process in self.processes:
            process.close()
        for process in self.processes:
            process.wait(until)

    def _send(self, message: Mapping[str, Any]) -> None:
        for process in self.processes:
            process.send(message)


def numbers_by_step(curve: Any, layers: Any) -> dict[int, dict[str, float]]:
    """Returns step -> name -> number: the fields of StepRows by name, and the gradients of LayerRows as
    gradient_g1/layer1/q; the gradient at the output of a block as gradient_g4/layer1/block."""
    found: dict[int, dict[str, float]] = {}
    for row in curve:
        found.setdefault(row.step, {}).update({k: float(v) for k, v in asdict(row).items() if k != "step"})
    for row in layers:
        values = ((name, getattr(row, name)) for name in GRADIENTS)
        own = {f"gradient_{name}/layer{row.layer}/{row.tensor}": float(v) for name, v in values if v is not None}
        if own:
            found.setdefault(row.step, {}).update(own)
    return found


@contextlib.contextmanager
def report_run(job: "Job") -> Iterator[RunTrackers]:
    """Inside, a run reports to the trackers of its job."""
    trackers, stopped = RunTrackers(job), ""
    try:
        yield trackers
    except SystemExit:
        stopped = "stopped"
        raise
    except BaseException:
        stopped = "failed"
        raise
    finally:
        trackers.close(stopped=stopped)


class TrackerProcess:
    """One tracker of one run. What is sent waits in a queue of its own: the run never waits for the tracker before it
    has ended."""

    def __init__(self, part: Part, job: "Job", given: Reporting) -> None:
        self.name, self.notes, self.run = part.name, given.notes, job.run
        self.queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.failed, self.ended = "", False
        about: dict[str, Any] = {"run": job.run, "key": given.key, "study": given.study, "label": given.label}
        about |= {"settings": job.config.flat()}
        lock = job.store / "claims" / f"{job.run}-{part.name}.lock"
        head = {"name": part.name, "keys": part.options, "out": str(job.store), "about": about, "lock": str(lock)}
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self.process = start_process()
        except OSError as error:
            self._note("start", f"its process cannot be started: {error.strerror}")
            return
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]
        for thread in self.threads:
            thread.start()
        self.send({**head, "patience": 2 * PATIENCE})  # it leaves by itself only where this process was killed

    def send(self, message: Mapping[str, Any]) -> None:
        self.queue.put(dumps(message).encode() + b"\n")

    def close(self) -> None:
        """Says that nothing more will come."""
        self.queue.put(None)

    def wait(self, until: float) -> None:
        """Waits for the end of the process until a time of `time.monotonic`, and kills it then."""
        if self.process is None:
            return
        try:
            code = self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            kill_group(self.process)
            self._note("hang", "it did not answer in time")
            return
        self.threads[1].join(5.0)
        if not self.ended and not self.failed:
            self._note("end", f"its process ended by itself (exit code {code})")

    def _write(self) -> None:
        assert self.process is not None and self.process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # the process has ended
            while (line := self.queue.get()) is not None:
                self.process.stdin.write(line)
                self.process.stdin.flush()
            self.process.stdin.close()

    def _read(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        for line in self.process.stdout:
            said = loads(line.decode())
            self.ended = self.ended or "ended" in said
            if "failed" in said:
                self._note(said["failed"], said["why"])

    def _note(self, when: str, why: str) -> None:
        self.failed = when
        note_failure(self.notes, self.name, {"when": when, "why": why, "run": self.run})


def start_process() -> "subprocess.Popen[bytes]":
    """Starts Python with the same modules, in a session of its own, which Ctrl-C does not reach."""
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-c", MAIN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,
    )


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kills a process and those that it has started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5.0)


# ---- what went wrong, said once for a command


def note_failure(notes: Path, tracker: str, text: Mapping[str, str]) -> None:
    """Notes the first failure of a tracker in a command; on stderr where there is no room for it."""
    try:
        notes.mkdir(parents=True, exist_ok=True)
        with (notes / f"{tracker}.json").open("x", encoding="utf-8") as file:
            file.write(dumps(dict(text)) + "\n")
    except FileExistsError:
        return
    except OSError:
        print(f"tracker={tracker}: {text['why']}", file=sys.stderr, flush=True)


def has_stopped(notes: Path, tracker: str) -> bool:
    """Returns whether a tracker could not be started or did not answer in this command: then it is left alone."""
    try:
        return loads((notes / f"{tracker}.json").read_text(encoding="utf-8"))["when"] in ("start", "hang", "end")
    except (OSError, ValueError, KeyError):
        return False
