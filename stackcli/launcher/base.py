"""The interface of a launcher: jobs in, outcomes out, in the order in which they end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

PREEMPTED = 75  # exit code of a run that was asked to stop, saved a checkpoint and left
UNFINISHED = ("failed", "lost", "preempted")  # states in which a job ends without a result

State = Literal["started", "progress", "done", "failed", "retried", "lost", "preempted", "stopped"]


@dataclass(frozen=True)
class Outcome:
    """What happened to a job. `started`; `progress`: it reported; `done`: it returned; `failed`: it raised, and is not
    tried again; `retried`: its process died or was asked to stop, and it is started again; `lost`: its process died
    again; `preempted`: somebody else asked it to stop again, and it had made no progress; `stopped`: we asked it to
    stop, and it saved its state."""

    job: int
    state: State
    detail: Any = None  # what was reported, what a job that is done returned, a traceback, or why it is tried again


Say = Callable[[Any], None]
Stop = Callable[[], bool]
Work = Callable[[Any, Say, Stop], Any]  # picklable by name: (job, say, stop) -> what the driver is sent back


class Executor:
    """Runs `work(job, say, stop)` for each job, and yields what happens.

    A launcher is built with its own keys, and with those of the following that its constructor asks for: `workers`,
    how many runs this machine should do at once; `preload`, the modules that a run needs; `folder`, the folder of runs,
    which all machines share. A job may have a field `loaded`, data that many jobs share and that a launcher need not
    send: without them the job reads its data itself; and a field `shares`: whether it leaves its process as it found
    it, so that other jobs may come after it there."""

    here = False  # whether the jobs run on this machine

    def warm(self) -> None:
        """Begins what takes long, as soon as it is known that jobs will come."""

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[Outcome]:
        """Yields what happens until every job has ended, or until `stop` has."""
        raise NotImplementedError

    def stop(self, *, now: bool = False) -> None:
        """Starts nothing new; running jobs save and leave, or with `now` are killed. Called from a signal handler."""
        raise NotImplementedError

    def close(self) -> None:
        """Gives back what the launcher holds, once no more jobs will come."""


class Attempts:
    """Decides whether a job that has not ended by itself is tried again: once where its process died; where it was
    asked to stop, as long as each attempt gets further than all before it. Steps only grow, so that ends too: a run
    that a cluster never leaves alone long enough for one step is given up."""

    def __init__(self) -> None:
        self.died: set[int] = set()
        self.reached: dict[int, float] = {}

    def judge(self, job: int, state: Literal["lost", "preempted"], detail: str, told: Any = None) -> Outcome:
        """Returns `retried`, or the state itself. `told`: what the job reported last; its first number is its step."""
        step, before = read_step(told), self.reached.get(job, -1.0)
        again = job not in self.died if state == "lost" else step > before
        if state == "lost":
            self.died.add(job)
        else:
            self.reached[job] = max(step, before)
        return Outcome(job, "retried" if again else state, detail)


def read_step(told: Any) -> float:
    """Returns the step in what a job reported, its numbers or a stage with a step; 0 where it has reported none."""
    if isinstance(told, Mapping):
        told = [told.get("step", 0)]
    first = told[0] if isinstance(told, Sequence) and not isinstance(told, str) and told else 0
    return float(first) if isinstance(first, int | float) else 0.0
