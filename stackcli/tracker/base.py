"""The interface of a tracker: another program that is told how a run goes. The files of the store stay the truth."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """A run as trackers know it. run: its id in the store; key: an id that no other folder of runs has, the same when
    the run is continued; label: its point and seed, as progress shows them; settings: as typed, such as depth, pe,
    pe.clip."""

    run: str
    key: str
    study: str
    label: str
    settings: Mapping[str, Any]


class Tracker:
    """Reports one run. It is built in a process of its own, started, told each step once and in order, and finished.

    A tracker may raise any error, change anything in its process or hang: the run does not notice, and what went wrong
    is said once. Its library is imported by `start`, not by its module, which the command reads too."""

    extra: ClassVar[str] = ""  # of stackattn, which installs the library
    modules: ClassVar[tuple[str, ...]] = ()  # that it imports

    def __init__(self, out: Path) -> None:
        """out: the folder of runs. A part has its keys as further arguments with a default."""
        self.out = out

    def start(self, run: TrackedRun) -> Container[int]:
        """Begins a run, or finds the one that it began before. Returns the steps that need not be reported again."""
        return ()

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Reports all numbers of one step: those of an evaluation as in curve.jsonl, gradient_g1/layer1/q and others at
        probe steps."""

    def finish(self, result: Mapping[str, Any]) -> None:
        """Ends the run. result: as in result.json; `status` alone where it is stopped (it will be continued) or
        failed."""

    def place(self) -> str:
        """Returns the command or the address that shows what was reported; empty where nothing was."""
        return ""


def final_numbers(result: Mapping[str, Any]) -> dict[str, float]:
    """Returns the numbers of a result as result/test_acc and so on."""
    kept = {k: v for k, v in result.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return {f"result/{name}": float(value) for name, value in kept.items()}


def add_section(name: str) -> str:
    """Returns the usual name of a number where charts are grouped by what comes before a slash.

    >>> add_section("train_loss"), add_section("lr"), add_section("gradient_g1/layer1/q")
    ('train/loss', 'lr', 'gradient_g1/layer1/q')
    """
    head, _, rest = name.partition("_")
    return f"{head}/{rest}" if head in ("train", "val") else name
