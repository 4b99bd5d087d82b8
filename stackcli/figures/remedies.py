"""Forest plot of remedies: the change in test accuracy against the unchanged stack, on fresh seeds, and step times."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _forest, base

AFFECTED = 4  # at most so many points
GOOD = {"test_acc": 1.0, "test_excess": -1.0}  # the sign of a better difference


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws a row of panels for each affected point, its best remedy on top. If the unchanged stack never finished,
    nothing can be paired, and the panel shows the result of each remedy instead."""
    if frames.command != "remedies" or base.finished_runs(frames.runs).empty:
        return None
    parts = [part for part in base.all_comparisons(frames) if len(part.accuracy)]
    if not parts:
        return None
    shown = base.spread_evenly(parts, AFFECTED)
    rows = [_sorted(part) for part in shown]
    timed = "step_ms" in frames.runs and frames.runs["step_ms"].notna().any()
    heights = [0.75 + 0.2 * max(len(found), 3) for found in rows]
    layout: dict[str, Any] = {"height_ratios": heights} | ({"width_ratios": [5, 2]} if timed else {})
    figure, panels = base.new(base.FULL, sum(heights), len(shown), 1 + timed, **layout)
    for row, part, found in zip(panels, shown, rows, strict=True):
        _effects(row[0], part, found)
        if timed:
            _times(row[1], part, found)
    base.legend(figure, _forest.entries())
    base.headline(figure, "Which remedy helps, and what does it cost?", "test part, fresh seeds, paired by seed")
    most = max(len(part.accuracy) for part in shown)
    left_out = base.left_out(min(most, _forest.MOST), most, "remedies"), base.left_out(len(shown), len(parts), "points")
    base.note(figure, _forest.SEVERAL, *left_out)
    return figure


def _sorted(part: base.Part) -> list[dict[str, Any]]:
    """Returns the rows of the comparisons, the best first: paired rows by their difference, then the rest by their
    result."""

    def rank(row: dict[str, Any]) -> tuple[bool, float]:
        value = row["mean"] if row["n"] else _level(part, row["arm"])
        return bool(row["n"]), GOOD[part.metric] * value if np.isfinite(value) else -np.inf

    return sorted(part.accuracy.to_dict("records"), key=rank, reverse=True)[: _forest.MOST]


def _runs(part: base.Part, remedy: str) -> pd.DataFrame:
    return part.runs[part.runs["remedy"] == remedy]


def _level(part: base.Part, remedy: str) -> float:
    """Returns the mean of the metric over the finished runs."""
    return base.interval(base.finished_runs(_runs(part, remedy))[part.metric])[0]


def _effects(axes: Axes, part: base.Part, found: list[dict[str, Any]]) -> None:
    """Draws the differences, or the result of each remedy if none can be paired."""
    unit = _forest.UNITS[part.metric].replace("\n", " ")
    paired = any(row["n"] for row in found)
    if paired:
        _forest.draw_rows(axes, part, "remedy", found)
    for y, row in enumerate(found):
        values = base.finite(base.finished_runs(_runs(part, row["arm"]))[part.metric])
        if not len(values):
            place = axes.get_yaxis_transform()
            axes.text(0.02, y, "no finished run", transform=place, va="center", size=base.SIZE, color=base.GREY)
        elif not paired:
            _forest.draw_row(axes, y, values, base.interval(values), filled=False)
    unit = unit if paired else unit.removeprefix("difference in ") + "; no seed finished both ways"
    _forest.dress(axes, "remedy", [_name(part, row["arm"]) for row in found], unit)
    affected, level = found[0]["baseline"], _level(part, found[0]["baseline"])
    words = f"{part.runs['affected'].iloc[0]}, {_name(part, affected)}" + (
        f": {level:.3f}" if np.isfinite(level) else ""
    )
    axes.set_title(base.fit(words, 300), loc="left")


def _name(part: base.Part, remedy: str) -> str:
    """Returns the remedy and, unless all runs are done, how many are."""
    runs = _runs(part, remedy)
    done = len(base.finished_runs(runs))
    return base.fit(remedy + (f" ({done} of {len(runs)} done)" if done < len(runs) else ""), 150)


def _times(axes: Axes, part: base.Part, found: list[dict[str, Any]]) -> None:
    """Draws the median time of a step relative to that of the unchanged stack."""
    axes.axvline(1, color=base.GREY, linewidth=0.8, label="one")
    before = _step(part, found[0]["baseline"])
    ratios = [_step(part, row["arm"]) / before for row in found]
    axes.plot(ratios, range(len(found)), "D", color=base.PALETTE[1], markersize=4, label="time")
    _forest.dress(axes, "", [""] * len(found), "step time (1: unchanged stack)")
    axes.tick_params(axis="y", left=False)
    known = base.finite([*ratios, 1.0])
    room = max(0.1, 0.15 * float(np.ptp(known)))
    axes.set_xlim(float(known.min()) - room, float(known.max()) + room)


def _step(part: base.Part, remedy: str) -> float:
    """Returns the milliseconds of a step; an architecture is measured once for all its seeds."""
    return base.interval(_runs(part, remedy)["step_ms"])[0]
