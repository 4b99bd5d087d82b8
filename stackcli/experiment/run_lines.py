"""The lines of a run that goes on, and of one that failed, for the live display of a study and for `watch`."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stackcli.common.wording import count_noun, escape_controls, format_duration

NUMBERS = ("train", "val", "acc")  # what a run reports after its step and steps: losses in nats, validation accuracy
BAR, SHORTEST = 16, 4  # columns
TRAINING = "training"  # the stage in which the step says enough


def describe_step(stage: str, told: Sequence[float]) -> str:
    """Returns how far a run is: its step of all steps, and what it does where it does not train."""
    at = f"{told[0]:.0f}/{told[1]:.0f}" if len(told) > 1 else ""
    return at if at and stage == TRAINING else f"{at} {stage}".strip()


def run_lines(label: str, at: str, told: Sequence[float], width: int) -> list[str]:
    """Returns a run that goes on, its point, its step and its numbers, on as few lines of `width` columns as they fit
    on."""
    pairs = list(zip(NUMBERS, told[2:], strict=False))
    numbers, brief = (" ".join(f"{name} {value:.{digits}f}" for name, value in pairs) for digits in (3, 2))
    label, at = escape_controls(label), escape_controls(at)
    ways = [[f"{label}  {at}  {numbers}"], [label, f"  {at}  {numbers}"], [label, f"{at} {brief}"]]
    fitting = (way for way in ways if max(len(line.rstrip()) for line in way[len(way) > 1 :]) <= width)
    lines = next(fitting, [label, f"  {at}", f"  {brief}"])
    return [line.rstrip() for line in lines if line.strip()]


def failure_line(label: str, why: str) -> str:
    """Returns a run that failed with the reason, on one line."""
    return f"failed: {escape_controls(label)}: {escape_controls(why)}"


def fit_lines(lines: Sequence[str]) -> list[Text]:
    """Returns lines for a screen; what does not fit into its width is cut."""
    return [Text(line, no_wrap=True, overflow="ellipsis") for line in lines]


def bar_line(share: float, words: str, width: int) -> RenderableType:
    """Returns a bar of the share that is done, and words beside it; on a narrow screen a shorter bar or none."""
    room, text = min(BAR, width - len(words) - 2), Text(words, no_wrap=True, overflow="ellipsis")
    if room < SHORTEST:
        return text
    head = Table.grid(padding=(0, 1))
    head.add_row(ProgressBar(total=1.0, completed=share, width=room), text)
    return head


def describe_count(ended: int, total: int, noun: str, failed: int, left: float | None) -> str:
    """Returns how many of all have ended, how many failed, and about the time that is left."""
    words = [f"{ended}/{count_noun(total, noun)}"]
    words += [f"{failed} failed"] if failed else []
    words += [f"{format_duration(left)} left"] if left is not None else []
    return ", ".join(words)


def describe_running(runs: Sequence[Mapping[str, Any]]) -> str:
    """Returns the runs that go on, the first three of them with their steps, for a plain line."""
    named = [
        f"{escape_controls(run['label'])} {escape_controls(describe_step(run['stage'], run['told']))}"
        for run in runs[:3]
    ]
    more = [f"{len(runs) - 3} more"] if len(runs) > 3 else []
    return ", ".join([*named, *more])
