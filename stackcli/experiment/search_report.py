"""What a search found, in words and tables: where it looked, its best trials, and how far the best can be trusted."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from stackcli.common.wording import count_noun, format_setting
from stackcli.config.overrides import Domain, Interval, Steps
from stackcli.config.settings import Scalar

SHOWN = 10  # trials in the table
LISTED = 6  # values of a range that are written out
EDGE = 0.05  # share of an interval at each end, within which a better value may lie beyond
WIDTH = 80

Row = Mapping[str, Any]  # a trial: `trial`, the axes, `val_loss` (None unless done), `status`, `run`


def describe_domain(domain: Domain) -> str:
    """What may be tried, in words."""
    log = ", by their logarithm" if not isinstance(domain, tuple) and domain.log else ""
    if isinstance(domain, Interval):
        whole = "whole numbers from " if domain.whole else ""
        return f"{whole}{format_setting(domain.low)} to {format_setting(domain.high)}{log}"
    values = list(domain.values if isinstance(domain, Steps) else domain)
    texts = list(map(format_setting, values))
    if isinstance(domain, Steps) and len(texts) > LISTED:
        texts = [*texts[:2], "...", texts[-1]]
    return ", ".join(texts) + log


def trial_table(rows: Sequence[Row], axes: Sequence[str], length: str = "") -> Table:
    """The trials of the lowest validation loss, each run once, for a terminal of 80 columns; the longest come first
    where the axis `length` cut runs short."""
    done = {row["run"]: row for row in reversed(rows) if row["status"] == "done"}
    order = sorted(done.values(), key=lambda row: (-row[length] if length else 0, row["val_loss"], row["trial"]))
    heads = ["validation\nloss, nats", "trial", *axes]
    cells = [[f"{r['val_loss']:.3f}", str(r["trial"]), *(format_setting(r[a]) for a in axes)] for r in order[:SHOWN]]
    made = _new(heads)
    for line in cells:
        made.add_row(*line)
    if Console(width=10_000).measure(made).maximum <= WIDTH:
        return made
    made = _new([*heads[:2], "setting"])
    for loss, trial, *values in cells:
        made.add_row(loss, trial, " ".join(f"{axis}={value}" for axis, value in zip(axes, values, strict=True)))
    return made


def _new(heads: Sequence[str]) -> Table:
    made = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for head in heads:
        made.add_column(head, justify="left" if head == "setting" else "right", no_wrap=head != "setting")
    return made


def describe_edges(domains: Mapping[str, Domain], values: Mapping[str, Scalar]) -> str:
    """The settings whose best value lies at an end of what was searched, where a better one may lie beyond."""
    found = [key for key, domain in domains.items() if at_end(domain, values[key])]
    verb = "lies" if len(found) == 1 else "lie"
    return f"{', '.join(found)} {verb} at the end of what was searched: a better value may lie beyond." if found else ""


def at_end(domain: Domain, value: Any) -> bool:
    """Whether a value is the first or the last of a range, or within a twentieth of an interval's end."""
    if isinstance(domain, Steps):
        return value in (domain.values[0], domain.values[-1])
    if not isinstance(domain, Interval):
        return False
    low, high, at = (math.log(x) if domain.log else float(x) for x in (domain.low, domain.high, value))
    return not EDGE <= (at - low) / (high - low) <= 1 - EDGE


def describe_choice(point: str, trials: int, seeds: Sequence[int], *, beside: bool) -> str:
    """What was chosen and how, and what the table below is; `beside`: the defaults stand there too."""
    what = "that setting beside the defaults" if beside else "that setting"
    fresh = f"fresh seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    how = f"chosen among {count_noun(trials, 'trials')} by validation loss"
    return f"{point}: {how}. What follows is {what} on the {fresh}; test accuracy is theirs alone."


def describe_luck(was: float, now: Sequence[float]) -> str:
    """How much of the lowest of many was luck: `was` its validation loss in the search, `now` on each fresh seed."""
    if not len(now):
        return "The chosen setting did not finish on the fresh seeds."
    fresh = f"{sum(now) / len(now):.3f} on the fresh seeds"
    return f"The lowest validation loss of the chosen setting was {was:.3f} in the search and is {fresh}."
