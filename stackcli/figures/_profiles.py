"""Draws a number of each layer of a trained stack, a line for each point, with intervals over seeds.

Used by `removal`, `layer_probe`, `position_probe` and `logit_lens`.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.common.records import POSITIONS
from stackcli.figures import _levels, base

CHANCE = 1 / POSITIONS  # accuracy of a guessed position
WIDE = 12  # from so many blocks on, a panel is as wide as the page


def draw(
    frames: Frames,
    table: pd.DataFrame,
    unit: str,
    question: str,
    *,
    level: float | None = None,
    most: float | None = None,
    marks: Mapping[str, float] | None = None,
    beside: pd.DataFrame | None = None,
    extra: list[tuple[Any, str]] | None = None,
    words: str = "",
) -> Figure:
    """Draws `table`, with `run`, `point`, `layer` and `value`. `unit`: the axis label; `question`: the headline.
    `level`: a horizontal line. `most`: the largest possible value, where the least is 0. `marks`: a value by point, at
    its last layer. `beside`: a table whose means are dotted. `extra` goes to the legend, `words` to the small print.
    """
    lines = base.lines(frames)
    parts = lines.split()
    deepest, first = max(point.depth for point in lines.points), int(table["layer"].min())
    (figure, panels), shown = _panels(len(parts), deepest, shared=lines.data_at < 0), 0
    for axes, part in zip(panels, parts, strict=True):
        points = base.spread_evenly(part.points, base.LINES)
        shown += len(points)
        for point in points:
            mark = (point.depth, (marks or {}).get(point.key, np.nan))
            _line(axes, point.rows(table), part.style(point), mark, most)
            if beside is not None and len(beside):
                _means(axes, point.rows(beside), part.style(point))
        if not axes.lines:
            base.blank(axes, "no finished run")
        axes.set_title(base.fit(part.title, 200))
        axes.set_ylabel(unit if base.leftmost(axes) else "")
        _name_layers(axes, first, deepest)
    levels = [] if level is None else [level]
    for axes, at in itertools.product(panels, levels):
        axes.axhline(at, color=base.GREY, linewidth=0.6, label="level")
    for axes in panels if lines.data_at >= 0 else panels[:1]:
        _levels.limits(axes, levels, most=most)
    parts[0].explain(figure, extra or [], axes=panels)
    base.headline(figure, question, "test part, at the end of training")
    seeds = max(point.count for point in lines.points)
    base.note(
        figure,
        base.describe_mean(seeds).replace("interval", "interval (band)"),
        words,
        base.left_out(shown, lines.total, "points"),
        *lines.remarks[1:],
    )
    return figure


def _name_layers(axes: Axes, first: int, deepest: int) -> None:
    axes.set_xticks(base.counts(deepest, first))
    axes.set_xlim(first - 0.5, deepest + 0.5)
    axes.set_xlabel("layer (block)")
    axes.tick_params(labelbottom=True)


def _panels(count: int, deepest: int, *, shared: bool) -> tuple[Figure, list[Axes]]:
    """Returns panels, at most two in a row; a single panel of deep stacks is as wide as the page."""
    if count > 1 or deepest < WIDE:
        return base.grid(count, 3 if count > 2 else 2, 2.2 if count == 1 else 1.9, sharex=True, sharey=shared)
    figure, ((axes,),) = base.new(base.FULL, 2.4)
    return figure, [axes]


def _line(axes: Axes, rows: pd.DataFrame, style: dict[str, Any], mark: tuple[int, float], most: float | None) -> None:
    """Draws the mean at each layer, its interval as a band (a bar where there is one layer only), and the mark. The
    band is cut at the least and the largest possible value."""
    found = [(layer, *base.interval(group["value"])) for layer, group in rows.groupby("layer")] if len(rows) else []
    kept = [row for row in found if np.isfinite(row[1])]
    if not kept:
        return
    layer, mean, low, high = np.array(kept, dtype=float).T
    known = np.isfinite(low)
    if most is not None:
        low, high = np.maximum(low, 0.0), np.minimum(high, most)
    if known.sum() > 1:
        look = {"color": style["color"], "alpha": 0.18, "linewidth": 0}
        axes.fill_between(layer[known], low[known], high[known], **look, label="interval")
    elif known.any():
        axes.vlines(layer[known], low[known], high[known], color=style["color"], linewidth=0.8, label="interval")
    axes.plot(layer, mean, **{**style, "markersize": 3, "linewidth": 1.0}, label="mean")
    if np.isfinite(mark[1]):
        axes.plot([mark[0]], [mark[1]], color=style["color"], **MARK, label="mark")


def _means(axes: Axes, rows: pd.DataFrame, style: dict[str, Any]) -> None:
    """Draws the mean at each layer, dotted."""
    means = rows.groupby("layer")["value"].mean()
    axes.plot(means.index, means, color=style["color"], **BESIDE, label="beside")


BESIDE: dict[str, Any] = {"linestyle": ":", "linewidth": 1.0}
MARK: dict[str, Any] = {
    "marker": "*",
    "markersize": 8,
    "fillstyle": "none",
    "linestyle": "none",
    "markeredgewidth": 0.9,
}
