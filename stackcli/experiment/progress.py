"""Progress of the runs: a live display on a terminal, plain lines elsewhere. Everything goes to stderr."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live

from stackcli.common.heartbeat import repeat_action
from stackcli.experiment import run_lines
from stackcli.experiment.console import Console
from stackcli.launcher.base import UNFINISHED, Outcome

SILENCE = 30.0  # seconds after which a plain line says how far the runs are, where nothing else was said
KEPT = 3  # failed runs that stay on the display
LISTED = 100  # failed runs that the live file names
Counted = Callable[[int], None]  # is told how many are done
Counting = Callable[[str, int], AbstractContextManager[Counted]]  # (what is counted, all)


@contextlib.contextmanager
def count_silently(what: str, total: int) -> Iterator[Counted]:
    """Shows nothing: the default of what counts its work."""
    yield lambda done: None


@dataclass
class Running:
    """A run that goes on: its stage, its worker, and what it last reported: (step, steps, ...)."""

    stage: str = "starting"
    host: str = ""
    pid: int = 0
    told: tuple[Any, ...] = ()


def on_test(result: Mapping[str, Any]) -> str:
    """How a finished run did."""
    return f"test accuracy {result['test_acc']:.3f}, gap {result['gap_end']:z.2f} nats"


def on_validation(result: Mapping[str, Any]) -> str:
    """How a run of a search did. A search never looks at the test part."""
    return f"validation loss {result['val_loss']:.3f} nats"


class Progress:
    """A line for each run that ends. On a terminal also a live display: all runs with the time that is left, and each
    run that goes on with its step, losses and validation accuracy.

    `labels`: of each run, the settings by which it is called; `noun`: what is counted; `describe`: what is said of a
    run's result; `work`: of each run, a number in proportion to how long it takes (equal ones by default); `runs`:
    their ids.
    """

    def __init__(
        self,
        *,
        quiet: bool,
        total: int = 0,
        labels: Sequence[str] = (),
        noun: str = "runs",
        describe: Callable[[Mapping[str, Any]], str] = on_test,
        work: Sequence[float] = (),
        runs: Sequence[str] = (),
    ) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self.quiet, self.total, self.labels, self.noun, self.describe = quiet, total, labels, noun, describe
        self.work, self.finished_work = work or [1.0] * len(labels), 0.0
        self.ended, self.before, self.failed, self.began = 0, 0, 0, time.monotonic()
        self.runs = runs or labels
        self.running: dict[int, Running] = {}
        self.failures: dict[int, str] = {}  # run -> why
        self.count: tuple[str, int, int] | None = None  # what is counted outside the training, done, all
        self.spoken = time.monotonic()
        live = self.console.is_terminal and not self.console.is_dumb_terminal and not os.environ.get("CI")
        self.live = Live(console=self.console, refresh_per_second=4, transient=True, get_renderable=self.render)
        self.shown, self.ends = live and not quiet, contextlib.ExitStack()

    def __enter__(self) -> "Progress":
        self.began, self.before, self.spoken = time.monotonic(), self.ended, time.monotonic()
        if self.shown:
            self.live.start()
        elif not self.quiet:
            self.ends.enter_context(repeat_action(self.break_silence, seconds=1.0))
        return self

    def __exit__(self, *_: object) -> None:
        self.running.clear()  # where the command was interrupted
        self.ends.close()
        self.live.stop()

    @contextlib.contextmanager
    def counting(self, what: str, total: int) -> Iterator[Counted]:
        """Inside the block a count of other work than runs is shown: `what` (many) and how many of all are done."""

        def tell(done: int) -> None:
            self.count = (what, min(done, total), total)

        tell(0)
        try:
            with self:
                yield tell
        finally:
            self.count = None

    def break_silence(self) -> None:
        """Says how far the runs are where nothing was said for a while: a pipe shows no display."""
        if time.monotonic() - self.spoken >= SILENCE:
            running = run_lines.describe_running([vars(run) | {"label": self.labels[job]} for job, run in self.now()])
            self.say(self._count() + (f"; {running}" if running else ""))

    def now(self) -> list[tuple[int, Running]]:
        """The runs that go on."""
        return list(self.running.items())

    def state(self) -> dict[str, Any]:
        """What the live file of this process says."""
        left = self.seconds_left()
        running = [{"run": self.runs[job], "label": self.labels[job], **vars(run)} for job, run in self.now()]
        return {
            "total": self.total,
            "ended": self.ended,
            "seconds_left": None if left is None else round(left, 1),
            "running": running,
            "failures": {self.runs[job]: why for job, why in list(self.failures.items())[-LISTED:]},
            "count": self.count,
        }

    def say(self, text: str, *, copied: bool = False) -> None:
        """A line, unless --quiet. `copied`: it holds a command, in which the terminal may get no line end of ours."""
        self.spoken = time.monotonic()
        if not self.quiet:
            self.console.print(text, soft_wrap=copied or not self.console.is_terminal)

    def show(self, outcome: Outcome, result: Mapping[str, Any] | None) -> None:
        """What happened to one run; `result` where it is done and there is something to say about it."""
        job = outcome.job
        if outcome.state == "started":
            self.running[job] = Running()
            return
        if outcome.state == "progress":
            self._told(self.running.setdefault(job, Running()), outcome.detail or ())
            return
        self.running.pop(job, None)
        self._ended(outcome, self.labels[job], result)

    def _told(self, run: Running, detail: Any) -> None:
        """What a run reports: its stage and its worker, or its step and its numbers."""
        if isinstance(detail, Mapping):
            run.stage, run.host, run.pid = str(detail["stage"]), str(detail["host"]), int(detail["pid"])
        else:
            run.stage, run.told = run_lines.TRAINING, tuple(detail)

    def _ended(self, outcome: Outcome, label: str, result: Mapping[str, Any] | None) -> None:
        if outcome.state in ("done", *UNFINISHED):
            self.ended += outcome.state in ("done", "failed")
            self.failed += outcome.state != "done"
            self.finished_work += self.work[outcome.job]
        count = f"[{self.ended}/{self.total}]"
        if outcome.state == "retried":
            text = f"{count} {label}: {outcome.detail}; it is started again"
        elif outcome.state == "stopped":
            text = f"{count} {label}: stopped, its state is saved"
        elif result is None:
            text = f"{count} {label}: {outcome.state.upper()}: {outcome.detail}"
            if outcome.state in UNFINISHED:  # shown even with --quiet
                self.failures[outcome.job], self.spoken = str(outcome.detail), time.monotonic()
                print(text, file=sys.stderr, flush=True)
            return
        elif result["status"] == "diverged":
            text = f"{count} {label}: DIVERGED at step {result['diverged_step']}"
        else:
            text = f"{count} {label}: {self.describe(result)}"
        self.say(text)

    # ---- the live display

    def share(self) -> float:
        """The share of all work that is done, from 0 to 1."""
        if self.count:
            return self.count[1] / max(1, self.count[2])
        part = sum(self.work[job] * run.told[0] / run.told[1] for job, run in self.now() if run.told)
        later = max(0, self.total - self.before - len(self.labels))  # runs of later rounds of a search
        every = sum(self.work) * (1 + later / max(1, len(self.labels)))
        return (self.finished_work + part) / every if every else 0.0

    def seconds_left(self) -> float | None:
        """About the seconds until all runs have ended, at the speed so far; None before a fiftieth of the work."""
        share = self.share()
        return (time.monotonic() - self.began) * (1 - share) / share if share > 0.02 else None

    def render(self) -> RenderableType:
        """What the screen shows while runs go on, never taller than the screen."""
        width, rows = self.console.width, list[str]()
        for job, run in self.now():
            rows += run_lines.run_lines(self.labels[job], run_lines.describe_step(run.stage, run.told), run.told, width)
        failed = [run_lines.failure_line(self.labels[job], why) for job, why in list(self.failures.items())[-KEPT:]]
        room = max(0, self.console.height - 1 - len(failed))
        head = run_lines.bar_line(self.share(), self._count(), width)
        return Group(head, *run_lines.fit_lines([*rows[:room], *failed]))

    def _count(self) -> str:
        if self.count:
            what, done, total = self.count
            return run_lines.describe_count(done, total, what, 0, self.seconds_left())
        return run_lines.describe_count(self.ended, self.total, self.noun, self.failed, self.seconds_left())
