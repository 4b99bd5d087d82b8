"""Progress of the runs: bars on a terminal, plain lines elsewhere. Everything goes to stderr."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rich.progress
from rich.console import Console
from rich.progress import TaskID
from rich.table import Column

from stackcli.common.wording import count_noun
from stackcli.launcher.base import Outcome


def on_test(result: Mapping[str, Any]) -> str:
    """How a finished run did."""
    return f"test accuracy {result['test_acc']:.3f}, gap {result['gap_end']:z.2f} nats"


def on_validation(result: Mapping[str, Any]) -> str:
    """How a run of a search did. A search never looks at the test part."""
    return f"validation loss {result['val_loss']:.3f} nats"


class Progress:
    """A line for each run that ends, and on a terminal a bar for all runs and one for each that is running.

    `labels`: of each run, the settings by which it is called; `noun`: what is counted; `describe`: what is said of a
    run's result.
    """

    def __init__(
        self,
        *,
        quiet: bool,
        total: int = 0,
        labels: Sequence[str] = (),
        noun: str = "runs",
        describe: Callable[[Mapping[str, Any]], str] = on_test,
    ) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self.quiet, self.total, self.labels, self.describe, self.ended = quiet, total, labels, describe, 0
        live = self.console.is_terminal and not quiet and not os.environ.get("CI")
        self.bars = make_bars(self.console, live)
        self.all = self.bars.add_task(count_noun(total, noun), total=total, count=f"0/{total}", loss="")
        self.running: dict[int, TaskID] = {}

    def __enter__(self) -> "Progress":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        for job in list(self.running):  # where the command was interrupted
            self.bars.remove_task(self.running.pop(job))
        self.bars.stop()

    def say(self, text: str) -> None:
        """A line, unless --quiet."""
        if not self.quiet:
            self.console.print(text, soft_wrap=not self.console.is_terminal)

    def show(self, outcome: Outcome, result: Mapping[str, Any] | None) -> None:
        """What happened to one run; `result` where it is done and there is something to say about it."""
        job = outcome.job
        if outcome.state == "started":
            self.running[job] = self.bars.add_task(self.labels[job], total=None, count="", loss="starting")
        elif outcome.state == "progress":
            step, steps, loss = outcome.detail
            count = f"{step}/{steps}"
            self.bars.update(self.running[job], completed=step, total=steps, count=count, loss=f"loss {loss:.3f}")
        else:
            if job in self.running:
                self.bars.remove_task(self.running.pop(job))
            self._ended(outcome, self.labels[job], result)
            self.bars.update(self.all, completed=self.ended, count=f"{self.ended}/{self.total}")

    def _ended(self, outcome: Outcome, label: str, result: Mapping[str, Any] | None) -> None:
        self.ended += outcome.state in ("done", "failed")
        count = f"[{self.ended}/{self.total}]"
        if outcome.state == "retried":
            text = f"{count} {label}: {outcome.detail}; it is started once more"
        elif outcome.state == "stopped":
            text = f"{count} {label}: stopped, its state is saved"
        elif result is None:
            text = f"{count} {label}: {outcome.state.upper()}: {outcome.detail}"
            if outcome.state in ("failed", "lost"):  # shown even with --quiet
                print(text, file=sys.stderr, flush=True)
            return
        elif result["status"] == "diverged":
            text = f"{count} {label}: DIVERGED at step {result['diverged_step']}"
        else:
            text = f"{count} {label}: {self.describe(result)}"
        self.say(text)


def make_bars(console: Console, live: bool) -> rich.progress.Progress:
    """Bars that leave no trace on the screen once they end, and never appear where `live` is false. What is taller than
    the screen is cut."""
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.TextColumn("{task.fields[count]}", markup=False, justify="right"),
        rich.progress.TextColumn("{task.fields[loss]}", markup=False),
        rich.progress.TimeElapsedColumn(),
        console=console,
        refresh_per_second=4,
        transient=True,
        disable=not live,
    )
