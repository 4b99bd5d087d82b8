"""Several processes on one run: the worker of the run starts them, watches them, and ends them all when one dies.

    python -m stackcli.experiment.run_processes FOLDER RANK SIZE

is such a process. They meet through a file in FOLDER, a temporary folder on this machine, which also has the job, a
file `stop` once they are asked to stop, the progress of process 0, and the traceback of a process that failed.
"""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stackcli.experiment import torchrun
from stackcli.launcher.base import PREEMPTED, Say, Stop

GRACE = 5.0  # seconds in which the others may end by themselves after one has died
POLL = 0.1  # seconds
LOST = 1  # exit code of a run of which a process died


def train_together(job: Any, say: Say, stop: Stop) -> None:
    """Trains a run in `devices` processes. Exits with 75 where they saved and stopped, with 1 where one of them died;
    raises RuntimeError with the traceback of one that failed. Under torchrun its processes do so instead."""
    if torchrun.process_count() > 1:
        return torchrun.train_as_first(job, say, stop)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job").write_bytes(pickle.dumps(job))
        processes = [start_rank(folder, rank, job.config.devices) for rank in range(job.config.devices)]
        try:
            watch(processes, folder, say, stop)
            end(processes, folder)
        finally:
            for process in processes:
                process.kill()
                process.wait()


def start_rank(folder: Path, rank: int, size: int) -> subprocess.Popen[bytes]:
    """Starts one process of a run."""
    words = [sys.executable, "-m", "stackcli.experiment.run_processes", str(folder), str(rank), str(size)]
    loopback = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
    own = {"GLOO_SOCKET_IFNAME": loopback} if loopback else {}
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.Popen(words, env={**own, **os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL)


def watch(processes: Sequence[subprocess.Popen[bytes]], folder: Path, say: Say, stop: Stop) -> None:
    """Returns when all processes have ended, or GRACE seconds after one of them ended otherwise than the run does."""
    deadline, told, running = float("inf"), "", True
    while running and time.monotonic() < deadline:
        running = any(process.poll() is None for process in processes)  # what they said last is read after they ended
        if any(process.poll() not in (None, 0, PREEMPTED) for process in processes):
            deadline = min(deadline, time.monotonic() + GRACE)
        if stop():
            (folder / "stop").touch()
        with contextlib.suppress(OSError, ValueError):  # not there yet
            if (text := (folder / "progress").read_text()) != told:
                told = text
                detail = json.loads(text)
                say(tuple(detail) if isinstance(detail, list) else detail)
        time.sleep(POLL if running else 0)


def end(processes: Sequence[subprocess.Popen[bytes]], folder: Path) -> None:
    """Ends as the processes did: see `train_together`. A process that was killed makes others fail, so it comes
    first."""
    codes = [process.poll() for process in processes]
    killed = [rank for rank, code in enumerate(codes) if code is not None and code < 0]
    failures = sorted(folder.glob("failed-*"), key=lambda path: path.stat().st_mtime)
    if killed or (not failures and any(code not in (0, PREEMPTED) for code in codes)):
        raise SystemExit(LOST)
    if failures:
        raise RuntimeError(failures[0].read_text(encoding="utf-8"))
    if PREEMPTED in codes:
        raise SystemExit(PREEMPTED)


def run_process(folder: Path, rank: int, size: int) -> int:
    """One process of a run; returns its exit code."""
    asked, parent, last = list[bool](), os.getppid(), [0.0]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))

    def say(detail: Any) -> None:
        stage = isinstance(detail, dict)
        if rank == 0 and (stage or time.monotonic() - last[0] > 0.2):
            last[0] = last[0] if stage else time.monotonic()
            (folder / "progress.new").write_text(json.dumps(detail))
            os.replace(folder / "progress.new", folder / "progress")

    def stop() -> bool:
        return bool(asked) or (folder / "stop").exists() or os.getppid() != parent

    try:
        from torch.distributed import FileStore  # type: ignore[attr-defined]

        from stackcli.experiment.store import Store
        from stackcli.experiment.worker import train_reported
        from stackcli.training.processes import join_processes, leave_processes

        job = pickle.loads((folder / "job").read_bytes())
        store = FileStore(str(folder / "meeting"), size)
        processes = join_processes(job.config.device, store, rank=rank, size=size)
        train_reported(job, Store(job.store, create=False), say, stop, processes)
        leave_processes()
    except SystemExit as left:
        return int(left.code or 0)
    except BaseException as error:
        if folder.is_dir():
            (folder / f"failed-{rank}").write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        return LOST
    return 0


if __name__ == "__main__":
    code = run_process(Path(sys.argv[1]), *map(int, sys.argv[2:]))
    sys.stdout.flush()
    os._exit(code)
