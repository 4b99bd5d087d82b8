"""Draws paired differences below one another: mean, 95 % interval, and the difference of every seed.

Used by `differences` and `remedies`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from stackcli.figures import base

UNITS = {"test_acc": "difference in\ntest accuracy (share)", "test_excess": "difference in\nexcess loss (nats)"}
FILLED = ("better", "worse")
MOST = 12  # rows of a panel
SEVERAL = "mean of paired differences, 95 % interval (t below 6 seeds, else by sign flips); dots: seeds"


def draw_rows(axes: Axes, part: base.Part, axis: str, found: Sequence[dict[str, Any]]) -> None:
    """Draws `found`, rows of `part.accuracy`, the first on top; a row without a pair of runs stays empty. A filled
    marker is a claim (better or worse), a hollow one is not."""
    axes.axvline(0, color=base.GREY, linewidth=0.8, label="zero")
    values = _by_seed(part, axis)
    for y, row in enumerate(found):
        if row["n"]:
            gaps = (values[row["arm"]] - values[row["baseline"]]).dropna()
            draw_row(axes, y, gaps, (row["mean"], row["low"], row["high"]), filled=row["kind"] in FILLED)


def draw_row(axes: Axes, y: int, seeds: Any, found: tuple[float, float, float], *, filled: bool) -> None:
    """Draws a row: the values of the seeds, their mean and its interval."""
    axes.plot(seeds, [y + 0.22] * len(seeds), ".", color=base.GREY, markersize=4, markeredgewidth=0, label="seeds")
    mean, low, high = found
    if np.isfinite(low):
        axes.hlines(y, low, high, color="black", linewidth=0.9, label="interval")
    axes.plot([mean], [y], "o", color="black", fillstyle="full" if filled else "none", label="mean")


def dress(axes: Axes, axis: str, names: Sequence[str], unit: str) -> None:
    """Labels the axes: a row for each name, the first on top; `unit` is the label of the x axis."""
    axes.set_yticks(range(len(names)), labels=list(names))
    axes.set_ylabel(base.label(axis))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel(unit)
    axes.locator_params(axis="x", nbins=4)


def entries() -> list[tuple[Any, str]]:
    """Returns the legend entries for filled and hollow markers."""
    words = {"full": "better or worse (Holm p < .05)", "none": "not a claim"}
    look = {"color": "black", "marker": "o", "linestyle": "none"}
    return [(base.swatch(fillstyle=fill, **look), text) for fill, text in words.items()]


def _by_seed(part: base.Part, axis: str) -> Any:
    """Returns the metric by seed (rows) and value of the axis (columns), of finished runs only."""
    done = base.finished_runs(part.runs)
    return done.pivot_table(index="seed", columns=axis, values=part.metric, aggfunc="mean", sort=False)
