"""Draws a number of each run against a setting: means with intervals and every seed, one line for each other setting.

Used by `accuracy`, `fit`, `overview` and `faithfulness`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import CARETDOWNBASE as CARETDOWN
from matplotlib.markers import CARETUPBASE as CARETUP
from matplotlib.transforms import ScaledTranslation

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

PARTS, ACROSS = 6, 3  # panels of data sets, and of a row
NAMES = {  # of settings, in a question
    "pe": "position encoding",
    "attention": "kind of attention",
    "residual": "residual scheme",
    "norm": "normalisation",
    "init": "initialisation",
    "lr": "learning rate",
    "data": "data set",
}
Part = tuple[str, pd.DataFrame]  # title, runs
Group = tuple[str, pd.DataFrame, dict[str, Any], float]  # name, runs, style, dodge


def groups(frames: Frames, runs: pd.DataFrame, x: str) -> tuple[list[Group], str]:
    """Returns a line for every combination of the axes other than x and the data, moved sideways so that intervals do
    not overlap, and a sentence on lines that are left out. A choice has one look in the whole study, also where `runs`
    are only some of its runs."""
    others = [axis for axis in frames.axes if axis not in (x, "data")]
    if not others:
        return [("", runs, base.styles(1)[0], 0.0)], ""
    every_run = frames.runs[frames.runs["status"] != "missing"]
    scales = [base.scale(axis, every_run[axis]) for axis in others]
    plain = [tuple(map(base.plain, row)) for row in runs[others].itertuples(index=False)]
    choices = {tuple(map(base.plain, row)) for row in every_run[others].itertuples(index=False)}
    found = sorted(choices, key=lambda key: [s.levels.index(v) for s, v in zip(scales, key, strict=True)])
    keys = base.spread_evenly(found, base.LINES)
    every = base.styles(len(found), ordered=len(others) == 1 and scales[0].kind != "category")
    styles = [every[found.index(key)] for key in keys]
    reach = min(0.3, 0.06 * (len(keys) - 1))
    groups = []
    for key, style, dodge in zip(keys, styles, np.linspace(-reach, reach, len(keys)), strict=True):
        name = " ".join(f"{axis}={base.safe_text(value)}" for axis, value in zip(others, key, strict=True))
        groups.append((name, runs[[row == key for row in plain]], style, float(dodge)))
    return groups, base.left_out(len(keys), len(found), "lines")


def data_parts(frames: Frames, runs: pd.DataFrame, x: str, most: int = PARTS) -> tuple[list[Part], str]:
    """Returns title and runs of each panel: one for each data set, at most `most`, where several were swept, unless
    they are the x axis; else one without a title. With them comes a sentence on data sets that are left out."""
    if "data" not in frames.axes or x == "data":
        return [("", runs)], ""
    found = list(dict.fromkeys(runs["data"]))
    names = base.spread_evenly(found, most)
    titles = [f"data={base.safe_text(name)}" if len(names) > 1 else "" for name in names]
    parts = [(title, runs[runs["data"] == name]) for title, name in zip(titles, names, strict=True)]
    return parts, base.left_out(len(names), len(found), "data sets")


def line(axes: Axes, scale: base.Scale, group: Group, column: str, *, most: float = np.inf, **change: Any) -> None:
    """Draws mean and interval at each level, joined if the levels are numbers, and a dot for every seed. Intervals are
    cut at 0 and `most`, the largest possible value, if that is finite."""
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
    intervals(axes, x, low, high, style["color"], most=most)
    axes.plot(x, mean, **style, label="mean")


def color_levels(axes: Axes, scale: base.Scale, groups: Sequence[Group]) -> None:
    """Gives each category of the x axis the look that it has as a line in the other figures, if they are the only
    setting that differs."""
    if scale.kind != "category" or len(groups) != 1 or not 1 < len(scale.levels) <= base.LINES:
        return
    looks = base.styles(len(scale.levels))
    for line in [line for line in axes.lines if line.get_label() == "mean"]:
        x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
        for at, value in zip(x, y, strict=True):
            look = {**looks[round(at)], "linestyle": "none", "fillstyle": line.get_fillstyle()}
            axes.plot([at], [value], **look, label="level", zorder=line.get_zorder() + 0.1)
        line.set_marker("")
    for line in [line for line in axes.lines if line.get_label() == "seeds"]:
        line.set_color(base.GREY)
    for bars in axes.collections:
        if bars.get_label() == "interval":
            bars.set_color(base.GREY)


def intervals(axes: Axes, x: Any, low: Any, high: Any, color: Any, *, most: float = np.inf) -> None:
    """Draws vertical intervals; those beyond 0 or `most`, if that is finite, are cut there, with an arrow head."""
    known = np.isfinite(low)
    least = 0.0 if np.isfinite(most) else -np.inf
    x, low, high = (np.asarray(values, dtype=float)[known] for values in (x, low, high))
    if not len(x):
        return
    axes.vlines(x, np.maximum(low, least), np.minimum(high, most), color=color, linewidth=0.9, label="interval")
    head: dict[str, Any] = {"color": color, "markersize": 3, "linestyle": "none", "clip_on": False, "label": "cut"}
    for ends, at, marker in ((low < least, least, CARETDOWN), (high > most, most, CARETUP)):
        if ends.any():
            axes.plot(x[ends], np.full(ends.sum(), at), marker=marker, **head)


def limits(axes: Axes, lines: list[float], least: float = 0.02, most: float | None = None) -> set[float]:
    """Sets limits that hold every point, the intervals unless they are far wider than the points are spread, and those
    of the horizontal `lines` that at most double the range. Panels that share the axis get the same limits. The range
    is at least `least`, and within 0 and `most`. Returns the lines inside."""
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
    seen = {line for line in lines if max(high, line) - min(low, line) <= 2 * (high - low)}
    low, high = min(low, *seen, low), max(high, *seen, high)
    axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    return seen


def x_axis(frames: Frames) -> str:
    """Returns the setting of the x axis: the depth if it was swept, else the first axis that is not the data."""
    others = [axis for axis in frames.axes if axis != "data"] or [*frames.axes, "depth"]
    return "depth" if "depth" in frames.axes else others[0]


def panels(count: int, height: float, *, wide: bool = False) -> tuple[Figure, list[Axes], float]:
    """Returns a figure of `count` panels, at most three in a row, and the width of a panel in points; a single panel is
    as wide as the page if `wide`, else as a column."""
    if count == 1 and wide:
        figure, ((axes,),) = base.new(base.FULL, height)
        return figure, [axes], base.FULL * 72 - 45
    figure, found = base.grid(count, ACROSS, height)
    across = base.across(found[0])
    return figure, found, (base.COLUMN if across == 1 else base.FULL / across) * 72 - 45


def name_levels(figure: Figure, panels: Sequence[Axes], scale: base.Scale, room: float) -> None:
    """Names the values of the x axis under the lowest panel of each column, of `room` points each."""
    before, grown = figure.get_figheight(), 0.0
    for axes in panels:
        figure.set_figheight(before)
        scale.dress(axes, "x", room)
        grown = figure.get_figheight()  # by the names that stand upright
        lowest = axes in panels[-base.across(axes) :]
        axes.tick_params(labelbottom=lowest)
        axes.set_xlabel(axes.get_xlabel() if lowest else "")
    figure.set_figheight(grown)


def name_groups(axes: Axes, groups: Sequence[Group]) -> list[tuple[Any, str]]:
    """Returns the legend entries of the lines; of many lines none, as each is named at its right end in the panel."""
    return base.name_looks(axes, [(name, style) for name, _, style, _ in groups]) if len(groups) > 1 else []


def effect_of(frames: Frames, x: str) -> str:
    """Returns the end of a question: "at each depth", "with each pe and depth"."""
    if not frames.axes:
        return ""
    others = [axis for axis in frames.axes if axis not in (x, "data")]
    names = " and ".join(NAMES.get(axis, base.safe_text(axis)) for axis in [x, *others])
    return f" at each {names}" if x == "depth" else f" with each {names}"


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
