"""Progress of the runs: a live display on a terminal, plain lines elsewhere. Everything goes to stderr."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stackcli.common.wording import count_noun, format_duration
from stackcli.experiment.console import Console
from stackcli.launcher.base import UNFINISHED, Outcome

BAR = 16  # columns


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
    run's result; `work`: of each run, a number in proportion to how long it takes (equal ones by default).
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
    ) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self.quiet, self.total, self.labels, self.noun, self.describe = quiet, total, labels, noun, describe
        self.work, self.finished_work = work or [1.0] * len(labels), 0.0
        self.ended, self.before, self.failed, self.began = 0, 0, 0, time.monotonic()
        self.running: dict[int, tuple[Any, ...]] = {}  # run -> (step, steps, ...) as last reported; () at its start
        live = self.console.is_terminal and not quiet and not os.environ.get("CI")
        self.live = Live(console=self.console, refresh_per_second=4, transient=True, get_renderable=self.render)
        self.shown = live

    def __enter__(self) -> "Progress":
        self.began, self.before = time.monotonic(), self.ended
        if self.shown:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.running.clear()  # where the command was interrupted
        self.live.stop()

    def say(self, text: str, *, copied: bool = False) -> None:
        """A line, unless --quiet. `copied`: it holds a command, in which the terminal may get no line end of ours."""
        if not self.quiet:
            self.console.print(text, soft_wrap=copied or not self.console.is_terminal)

    def show(self, outcome: Outcome, result: Mapping[str, Any] | None) -> None:
        """What happened to one run; `result` where it is done and there is something to say about it."""
        job = outcome.job
        if outcome.state in ("started", "progress"):
            self.running[job] = tuple(outcome.detail or ())
            return
        self.running.pop(job, None)
        self._ended(outcome, self.labels[job], result)

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
        part = sum(self.work[job] * told[0] / told[1] for job, told in self.running.items() if told)
        later = max(0, self.total - self.before - len(self.labels))  # runs of later rounds of a search
        every = sum(self.work) * (1 + later / max(1, len(self.labels)))
        return (self.finished_work + part) / every if every else 0.0

    def seconds_left(self) -> float | None:
        """About the seconds until all runs have ended, at the speed so far; None before a fiftieth of the work."""
        share = self.share()
        return (time.monotonic() - self.began) * (1 - share) / share if share > 0.02 else None

    def render(self) -> RenderableType:
        """What the screen shows while runs go on, never taller than the screen."""
        rows = [line for job in list(self.running) for line in self._lines(job)]
        head = Table.grid(padding=(0, 1))
        head.add_row(ProgressBar(total=1.0, completed=self.share(), width=BAR), self._count())
        return Group(head, *rows[: max(0, self.console.height - 1)])

    def _count(self) -> Text:
        left = self.seconds_left()
        words = [f"{self.ended}/{count_noun(self.total, self.noun)}"]
        words += [f"{self.failed} failed"] if self.failed else []
        words += [f"{format_duration(left)} left"] if left is not None else []
        return Text(", ".join(words), no_wrap=True, overflow="ellipsis")

    def _lines(self, job: int) -> list[Text]:
        """A run that goes on: its point, its step and its numbers, on as few lines as they fit on."""
        told = self.running[job]
        at = f"{told[0]}/{told[1]}" if told else "starting"
        pairs = list(zip(NUMBERS, told[2:], strict=False))
        numbers, brief = (" ".join(f"{name} {value:.{digits}f}" for name, value in pairs) for digits in (3, 2))
        label, width = self.labels[job], self.console.width
        ways = [[f"{label}  {at}  {numbers}"], [label, f"  {at}  {numbers}"], [label, f"{at} {brief}"]]
        fitting = (way for way in ways if max(map(len, way[len(way) > 1 :])) <= width)
        lines = next(fitting, [label, f"  {at}", f"  {brief}"])
        return [Text(line.rstrip(), no_wrap=True, overflow="ellipsis") for line in lines]


NUMBERS = ("train", "val", "acc")  # what a run reports after its step and steps: losses in nats, validation accuracy
