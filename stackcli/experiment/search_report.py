"""Search results as sentences and tables: what was searched, the best trials, and how far the best can be trusted."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.wording import count_noun, format_setting
from stackcli.config.overrides import Domain, Interval, Steps
from stackcli.config.settings import Scalar

SHOWN = 10  # trials in the table
LISTED = 6  # values of a range that are written out
EDGE = 0.05  # share of an interval at each end that counts as its end

Row = Mapping[str, Any]  # a trial: `trial`, the axes, `val_loss` (None unless done), `status`, `run`


def describe_domain(domain: Domain) -> str:
    """Describes the values of a searched setting."""
    log = ", on a log scale" if not isinstance(domain, tuple) and domain.log else ""
    if isinstance(domain, Interval):
        whole = "whole numbers from " if domain.whole else ""
        return f"{whole}{format_setting(domain.low)} to {format_setting(domain.high)}{log}"
    values = list(domain.values if isinstance(domain, Steps) else domain)
    texts = list(map(format_setting, values))
    if isinstance(domain, Steps) and len(texts) > LISTED:
        texts = [*texts[:2], "...", texts[-1]]
    return ", ".join(texts) + log


def trial_table(rows: Sequence[Row], axes: Sequence[str], length: str = "") -> TerminalTable:
    """Returns a table of the trials with the lowest validation loss, each run once; where the terminal is too narrow
    all settings are in one column. Where the setting `length` cut runs short, the longest runs come first."""
    done = {row["run"]: row for row in reversed(rows) if row["status"] == "done"}
    order = sorted(done.values(), key=lambda row: (-row[length] if length else 0, row["val_loss"], row["trial"]))
    table = TerminalTable(["validation\nloss, nats", "trial", *axes], left=(), keys=2, whole=True)
    for row in order[:SHOWN]:
        table.add_row(f"{row['val_loss']:.3f}", str(row["trial"]), *(format_setting(row[axis]) for axis in axes))
    if table.fitting_columns(Console().width) is not None:
        return table
    table = TerminalTable(["validation\nloss, nats", "trial", "settings"], left=(2,), wrap=(2,), keys=2)
    for row in order[:SHOWN]:
        settings = " ".join(f"{axis}={format_setting(row[axis])}" for axis in axes)
        table.add_row(f"{row['val_loss']:.3f}", str(row["trial"]), settings)
    return table


def describe_edges(domains: Mapping[str, Domain], values: Mapping[str, Scalar]) -> str:
    """Names the settings whose best value lies at an end of what was searched; empty where there are none."""
    found = [key for key, domain in domains.items() if at_end(domain, values[key])]
    verb = "lies" if len(found) == 1 else "lie"
    return f"{', '.join(found)} {verb} at the end of what was searched: a better value may lie beyond." if found else ""


def at_end(domain: Domain, value: Any) -> bool:
    """Returns whether a value is the first or the last of a range, or within a twentieth of an interval's end."""
    if isinstance(domain, Steps):
        return value in (domain.values[0], domain.values[-1])
    if not isinstance(domain, Interval):
        return False
    low, high, at = (math.log(x) if domain.log else float(x) for x in (domain.low, domain.high, value))
    return not EDGE <= (at - low) / (high - low) <= 1 - EDGE


def describe_choice(point: str, trials: int, seeds: Sequence[int], *, beside: bool) -> str:
    """Says what was chosen and how, and what the table below shows; `beside`: whether it shows the defaults too."""
    what = "that setting beside the defaults" if beside else "that setting"
    fresh = f"fresh seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    how = f"chosen among {count_noun(trials, 'trials')} by validation loss"
    return f"{point}: {how}. The table below shows {what} on the {fresh}; only these runs are tested."


def describe_luck(was: float, now: Sequence[float]) -> str:
    """Compares the validation loss of the choice in the search (`was`) and on each fresh seed (`now`): part was
    luck."""
    if not len(now):
        return "The chosen setting did not finish on the fresh seeds."
    fresh = f"{sum(now) / len(now):.3f} on the fresh seeds"
    return f"The lowest validation loss of the chosen setting was {was:.3f} in the search and is {fresh}."
