"""How far the runs are: a live display on a terminal, plain lines elsewhere. Everything goes to stderr."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from stackcli.common.wording import count_noun
from stackcli.launcher.base import Outcome


def on_test(result: Mapping[str, Any]) -> str:
    """How a finished run did."""
    return f"test accuracy {result['test_acc']:.3f}, gap {result['gap_end']:z.2f} nats"


def on_validation(result: Mapping[str, Any]) -> str:
    """How a run of a search did: its test part is nobody's business."""
    return f"validation loss {result['val_loss']:.3f} nats"


class Progress:
    """Lines for what has ended, and on a terminal a small table of what is running, never taller than the screen."""

    def __init__(
        self, *, quiet: bool, total: int, labels: Sequence[str], told: Callable[[Mapping[str, Any]], str] = on_test
    ) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self.quiet, self.total, self.labels, self.told, self.ended = quiet, total, labels, told, 0
        self.running: dict[int, tuple[int, int, float]] = {}
        live = self.console.is_terminal and not quiet and not os.environ.get("CI")
        self.live = Live(console=self.console, refresh_per_second=4, transient=True) if live else None
        self.began = time.monotonic()

    def __enter__(self) -> "Progress":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def say(self, text: str) -> None:
        """A line, unless --quiet."""
        if not self.quiet:
            self.console.print(text, soft_wrap=not self.console.is_terminal)

    def show(self, outcome: Outcome, result: Mapping[str, Any] | None) -> None:
        """One thing that happened to one run."""
        job, label = outcome.job, self.labels[outcome.job]
        if outcome.state == "started":
            self.running[job] = (0, 0, float("nan"))
        elif outcome.state == "progress":
            self.running[job] = outcome.detail
        else:
            self.running.pop(job, None)
            self._ended(outcome, label, result)
        if self.live:
            self.live.update(self._table())

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
            text = f"{count} {label}: {self.told(result)}"
        self.say(text)

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 1))
        seconds = time.monotonic() - self.began
        for head in (f"{self.ended}/{count_noun(self.total, 'runs')}, {seconds:.0f} s", "step", "loss"):
            table.add_column(head, justify="left" if head.endswith(" s") else "right", no_wrap=True)
        room = max(1, self.console.size.height - 3)
        for job, (step, steps, loss) in list(self.running.items())[:room]:
            table.add_row(self.labels[job], f"{step}/{steps}" if steps else "starting", f"{loss:.3f}" if steps else "")
        return table
