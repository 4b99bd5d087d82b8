"""Draws a number of each run against a setting: means with intervals and every seed, one line for each other setting.

Used by `accuracy` and `depth`.
"""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

Group = tuple[str, pd.DataFrame, dict[str, Any], float]  # name, runs, style, dodge


def groups(frames: Frames, runs: pd.DataFrame, x: str) -> tuple[list[Group], str]:
    """Returns a line for every combination of the axes other than x, moved sideways so that intervals do not overlap,
    and a sentence on lines that are left out."""
    others = [axis for axis in frames.axes if axis != x]
    if not others:
        return [("", runs, base.styles(1)[0], 0.0)], ""
    scales = [base.scale(axis, runs[axis]) for axis in others]
    plain = [tuple(map(base.plain, row)) for row in runs[others].itertuples(index=False)]
    found = sorted(set(plain), key=lambda key: [s.levels.index(v) for s, v in zip(scales, key, strict=True)])
    keys = base.spread_evenly(found, base.LINES)
    styles = base.styles(len(keys), ordered=len(others) == 1 and scales[0].kind != "category")
    reach = min(0.3, 0.06 * (len(keys) - 1))
    groups = []
    for key, style, dodge in zip(keys, styles, np.linspace(-reach, reach, len(keys)), strict=True):
        name = " ".join(f"{axis}={base.safe_text(value)}" for axis, value in zip(others, key, strict=True))
        groups.append((name, runs[[row == key for row in plain]], style, float(dodge)))
    return groups, base.left_out(len(keys), len(found), "lines")


def line(axes: Axes, scale: base.Scale, group: Group, column: str, **change: Any) -> None:
    """Draws mean and interval at each level, joined if the levels are numbers, and a dot for every seed."""
    _, runs, style, dodge = group
    style = {**style, **change}
    done = runs[runs["status"] == "done"]
    if column not in done:
        return
    means, points = [], []
    for level in scale.levels:
        values = base.finite(done.loc[[base.plain(v) == level for v in done[scale.name]], column])
        if len(values):
            at = scale.at(level, dodge)
            means.append((at, *base.interval(values)))
            points += [(at, value) for value in values] if len(values) > 1 else []
    if not means:
        return
    x, mean, low, high = np.array(means).T
    if scale.kind == "category":
        style["linestyle"] = "none"
    beside = axes.transData + ScaledTranslation(4 / 72, 0, axes.figure.dpi_scale_trans)
    dots = {"color": style["color"], "alpha": 0.6, "markersize": 4, "markeredgewidth": 0, "transform": beside}
    axes.plot(*np.array(points).reshape(-1, 2).T, ".", **dots, label="seeds")
    if len(known := np.flatnonzero(np.isfinite(low))):
        axes.vlines(x[known], low[known], high[known], color=style["color"], linewidth=0.9, label="interval")
    axes.plot(x, mean, **style, label="mean")


def limits(axes: Axes, lines: list[float], least: float = 0.02, most: float | None = None) -> set[float]:
    """Sets limits that hold every point, the intervals unless they are far wider than the points are spread, and the
    horizontal `lines` unless these would squeeze the points into a sixth of the panel. Panels that share the axis get
    the same limits. The range is at least `least`, and within 0 and `most`. Returns the lines inside."""
    panels = axes.get_shared_y_axes().get_siblings(axes)
    drawn = [line for panel in panels for line in panel.lines]
    points = base.finite([y for line in drawn for y in np.atleast_1d(np.asarray(line.get_ydata()))])
    bars = [bar for panel in panels for bar in panel.collections]
    ends = [y for bar in bars for path in bar.get_paths() for _, y in np.asarray(path.vertices)]
    if not len(points):
        points = np.array([least, most or 1.0])
    reach = base.finite([*points, *ends])
    span = max(float(np.ptp(points)), least)
    low = min(max(reach.min(), points.min() - 2 * span), points.mean() - least / 2)
    high = max(min(reach.max(), points.max() + 2 * span), points.mean() + least / 2)
    if most is not None:
        low, high = max(low, 0.0), min(high, most)
    seen = {line for line in lines if max(high, line) - min(low, line) <= 6 * (high - low)}
    low, high = min(low, *seen, low), max(high, *seen, high)
    axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    return seen


def mark_broken_runs(axes: Axes, scale: base.Scale, groups: list[Group]) -> list[tuple[Any, str]]:
    """Draws a strip below the data with a cross where runs broke and their number, a row for each line; returns its
    legend entry."""
    rows = []
    for _, runs, style, dodge in groups:
        levels = [base.plain(value) for value in runs[scale.name]]
        broken = Counter(level for level, ok in zip(levels, runs["status"] == "done", strict=True) if not ok)
        if broken:
            rows.append(([(level, n, levels.count(level)) for level, n in broken.items()], style["color"], dodge))
    if not rows:
        return []
    low, high = axes.get_ylim()
    step = (high - low) * 0.14
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= high])  # no ticks in the strip
    axes.set_ylim(low - step * len(rows), high)
    axes.axhline(low, color="0.8", linewidth=0.6)
    for i, (cells, colour, dodge) in enumerate(rows):
        y = low - step * (i + 0.5)
        x = [scale.at(level, dodge) for level, _, _ in cells]
        axes.plot(x, [y] * len(x), "x", color=colour, markersize=4, label="broken")
        for at, (_, count, total) in zip(x, cells, strict=True):
            axes.annotate(f"{count}/{total}", (at, y), (4, 0), textcoords="offset points", va="center", size=base.SIZE)
    statuses = pd.concat([runs["status"] for _, runs, _, _ in groups])
    kinds = " or ".join(kind for kind in dict.fromkeys(statuses) if kind != "done")
    return [(base.swatch(color="black", marker="x", linestyle="none"), f"{kinds}, k of n runs")]
