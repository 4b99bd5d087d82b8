"""The interface of a launcher: jobs in, outcomes out, in the order in which they end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

PREEMPTED = 75  # exit code of a run that was asked to stop, saved a checkpoint and left


@dataclass(frozen=True)
class Outcome:
    """What happened to a job. `started`; `progress`: it reported; `done`: it returned; `failed`: it raised, and is not
    tried again; `retried`: its process died, and is started again; `lost`: its process died again; `stopped`: it
    was asked to stop, and saved its state."""

    job: int
    state: Literal["started", "progress", "done", "failed", "retried", "lost", "stopped"]
    detail: Any = None  # what was reported, what a job that is done returned, or a traceback


Say = Callable[[Any], None]
Stop = Callable[[], bool]
Work = Callable[[Any, Say, Stop], Any]  # picklable by name: (job, say, stop) -> what the driver is sent back


class Executor(Protocol):
    """Runs `work(job, say, stop)` for each job, and yields what happens."""

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[Outcome]: ...

    def stop(self, *, now: bool = False) -> None:
        """Start nothing new; running jobs save and leave, or with `now` are killed."""
        ...
