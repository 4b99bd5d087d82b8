"""Jobs for clusters: they count steps, note each start, and die or are told to leave as their fates say."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackcli.launcher.base import PREEMPTED, Say, Stop

SLURM = {"out of memory": "OUT_OF_MEMORY", "timed out": "TIMEOUT"}  # fate -> what Slurm says of the job


@dataclass(frozen=True)
class Count:
    """Counts to `steps`. fates: of each attempt what happens five steps after its start; beyond them nothing."""

    folder: str
    name: str
    fates: tuple[str, ...] = ()
    steps: int = 20
    pause: float = 0.01

    def starts(self) -> list[int]:
        """The step at the start of each attempt so far."""
        return [int(path.read_text()) for path in sorted(Path(self.folder).glob(f"{self.name}.start.*"))]


def count(job: Count, say: Say, stop: Stop) -> str:
    folder, attempt = Path(job.folder), len(job.starts())
    saved = folder / f"{job.name}.saved"
    first = int(saved.read_text()) if saved.exists() else 0
    (folder / f"{job.name}.start.{attempt}").write_text(str(first))
    fate = job.fates[attempt] if attempt < len(job.fates) else ""
    if fate == "told at once":
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
        raise SystemExit(PREEMPTED)
    for step in range(first + 1, job.steps + 1):
        time.sleep(job.pause)
        say((step, job.steps))
        if step == first + 5:
            meet(fate)
        if stop():
            saved.write_text(str(step))
            raise SystemExit(PREEMPTED)
    return job.name


def meet(fate: str) -> None:
    """Does to this process what a fate says."""
    if fate == "raises":
        raise ValueError("a fault of the code")
    if fate in SLURM:
        (Path(os.environ["FAKE_SLURM"]) / f"fate-{os.environ['SLURM_JOB_ID']}").write_text(SLURM[fate])
    if fate in ("killed", *SLURM):
        os.kill(os.getpid(), signal.SIGKILL)
    if fate == "preempted":
        os.kill(os.getpid(), signal.SIGUSR2)  # what Slurm sends before it takes the place away
    if fate == "told to leave":
        os.kill(os.getpid(), signal.SIGTERM)


def states(outcomes: Any) -> dict[int, list[str]]:
    """Returns the states of each job in order, progress left out."""
    found: dict[int, list[str]] = {}
    for outcome in outcomes:
        if outcome.state != "progress":
            found.setdefault(outcome.job, []).append(outcome.state)
    return found
