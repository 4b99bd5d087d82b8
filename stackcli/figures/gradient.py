"""Gradient norm of each block's last map by relative depth, plain (G1) and alignment-free (G3), at start and end."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

NORMS = {
    "g1": "G1, L2 norm of the\ngradient of {} (nats)",
    "g3": "G3, alignment-free norm\nof the gradient of {} (nats)",
}
TIMES = {"first": "at initialisation", "last": "at the end of training"}

MARKS = 16  # at most so many markers on a line


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws geometric means over the finished seeds; a run that diverged is a thin line, at its last measurement."""
    table = base.last_map(frames.layers)
    if not any(norm in table and len(base.finite(table[norm])) for norm in NORMS):
        return None
    if not (lines := base.lines(frames)).points:
        return None
    parts, times = lines.split(), _times(table)
    figure, panels = _panels(parts, times)
    names = "/".join(sorted(table["tensor"].unique(), reverse=True))
    crosses = False
    for axes, norm, when, part in panels:
        axes.set_yscale("log")
        crosses |= _panel(axes, table, part, norm, when, relative=_relative(lines))
        if base.leftmost(axes):
            axes.set_ylabel(NORMS[norm].format(names))
        if len(parts) > 1:
            axes.set_title(base.fit(f"{part.title}, {TIMES[when]}", 430 / len(parts)))
        elif norm == "g1":
            axes.set_title(TIMES[when])
    across = len(parts) if len(parts) > 1 else len(times)
    _depths([axes for axes, *_ in panels[-across:]], lines)
    entry = [(base.swatch(color=base.GREY, marker="x", linewidth=0.7), "a run that diverged")] if crosses else []
    parts[0].explain(figure, entry, axes=[axes for axes, *_ in panels])
    base.headline(figure, "Does the gradient vanish or explode through the layers?")
    base.note(figure, *lines.remarks)
    return figure


Panel = tuple[Axes, str, str, base.Lines]  # norm, first or last, lines


def _times(table: pd.DataFrame) -> tuple[str, ...]:
    """Returns first and last, or only first if nothing was trained."""
    return tuple(TIMES) if bool((table["step"] > 0).any()) else ("first",)


def _panels(parts: tuple[base.Lines, ...], times: tuple[str, ...]) -> tuple[Figure, list[Panel]]:
    """Returns the panels: two norms (rows) by the times (columns); if the lines are split, a column for each part and a
    row for each norm and time. Panels of one norm share a scale."""
    keys = list(itertools.product(NORMS, times))
    if len(parts) == 1:
        size = base.FULL if len(times) > 1 else base.COLUMN
        figure, panels = base.new(size, 3.9, 2, len(times), sharex=True, sharey="row")
        return figure, [(axes, *key, parts[0]) for axes, key in zip(panels.flat, keys, strict=True)]
    figure, panels = base.new(base.FULL, 1.65 * len(keys), len(keys), len(parts), sharex=True, sharey="row")
    for below in range(1, len(keys), 2) if len(times) > 1 else ():
        panels[below, 0].sharey(panels[below - 1, 0])
    rows = zip(panels, keys, strict=True)
    return figure, [(axes, *key, part) for row, key in rows for axes, part in zip(row, parts, strict=True)]


def _depths(bottom: list[Axes], lines: base.Lines) -> None:
    """Labels the x axis of the lowest panels."""
    deepest, wide = max(point.depth for point in lines.points), len(bottom) < 3
    for axes in bottom:
        if _relative(lines):
            axes.set_xlabel("relative depth, layer / depth" + (" (1: next to the output)" if wide else "\n(1: output)"))
            axes.set_xlim(0, 1.03)
        else:
            axes.set_xlabel("layer (block, 1: next to the input)")
            axes.set_xticks(base.counts(deepest))
            axes.set_xlim(0.7, deepest + 0.3)


def _relative(lines: base.Lines) -> bool:
    """Whether layers are placed by relative depth, as stacks of different depths are."""
    return len({point.depth for point in lines.points}) > 1


def _panel(axes: Axes, table: pd.DataFrame, lines: base.Lines, norm: str, when: str, *, relative: bool) -> bool:
    """Draws the profile of every point; returns whether a run had diverged."""
    crosses, drawn = False, False
    for point in lines.points:
        style, unit = lines.style(point), point.depth if relative else 1
        mean = _profile(point.rows(table), norm, when)
        drawn |= _plot(axes, mean, unit, **style, label=point.key)
        for run, status in point.broken:
            single = _profile(point.rows(table, [run]), norm, when) if status == "diverged" else mean[:0]
            look = {"linewidth": 0.7, "marker": "x", "markersize": 3.5, "linestyle": style["linestyle"]}
            crosses |= _plot(axes, single, unit, color=style["color"], **look, label=f"{point.key} diverged")
    if not drawn and not crosses:
        base.blank(axes, "zero, or not measured")
    return crosses


def _profile(rows: pd.DataFrame, norm: str, when: str) -> pd.Series:
    """Returns geometric means over runs by layer, at each run's first or last measurement."""
    if rows.empty or norm not in rows:
        return pd.Series(dtype=float)
    rows = rows[rows["step"] == (0 if when == "first" else rows.groupby("run")["step"].transform("max"))]
    return base.mean_by(rows, norm, ["layer"], geometric=True)


def _plot(axes: Axes, profile: pd.Series, unit: int, **style: Any) -> bool:
    if len(profile):
        at, every = profile.index.to_numpy(dtype=float) / unit, -(-len(profile) // MARKS)
        axes.plot(at, profile.to_numpy(dtype=float), markevery=every, **style)
    return bool(len(profile)) and bool(np.isfinite(profile).any())
