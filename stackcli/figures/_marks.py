"""Names lines and levels at the right edge of a panel, instead of in a legend."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from stackcli.figures._style import SIZE
from stackcli.figures._words import fit, safe_text

MARK = "mark"
GAP = 4.0  # points between the panel and the text


def mark_right(axes: Axes, value: float, text: str, color: Any, *, room: float = 90) -> None:
    """Writes a text of at most `room` points a line beside the right edge, at the height of `value`. A value outside
    the panel is written at its edge with an arrow. Texts that would overlap are moved apart when the layout is done."""
    low, high = sorted(axes.get_ylim())
    arrow = "\N{UPWARDS ARROW} " if value > high else "\N{DOWNWARDS ARROW} " if value < low else ""
    axes.annotate(
        fit(arrow + safe_text(text), room, lines=2),
        (1.0, float(np.clip(value, low, high))),
        xycoords=axes.get_yaxis_transform(),
        xytext=(GAP, 0.0),
        textcoords="offset points",
        va="center",
        ha="left",
        size=SIZE,
        color=color,
        gid=MARK,
        annotation_clip=False,
        arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0, "alpha": 0.7},
    )


def spread_marks(figure: Figure) -> bool:
    """Moves the texts of each panel apart; returns whether there are any. The panels must have their final height."""
    found = False
    for axes in figure.axes:
        marks = [t for t in axes.texts if t.get_gid() == MARK and isinstance(t, Annotation)]
        if marks:
            found = True
            _spread(axes, marks)
    return found


def _spread(axes: Axes, marks: list[Annotation]) -> None:
    """Keeps the order of the values, moves neighbours by equal shares, and stays within the panel if there is room."""
    inch = axes.get_figure().dpi / 72  # type: ignore[union-attr]  # pixels of a point
    place = axes.get_yaxis_transform()
    at = {mark: place.transform(mark.xy)[1] / inch for mark in marks}
    marks.sort(key=lambda mark: at[mark])
    heights = [(mark.get_text().count("\n") + 1) * 1.2 * SIZE + 1 for mark in marks]
    box = axes.get_window_extent()
    centres = _place([at[mark] for mark in marks], heights, box.y0 / inch, box.y1 / inch)
    for mark, centre in zip(marks, centres, strict=True):
        mark.set_position((GAP, centre - at[mark]))


def _place(wanted: list[float], heights: list[float], low: float, high: float) -> list[float]:
    """Returns centres in the order given, near the wanted ones, that are at least half of both heights apart."""
    groups: list[tuple[list[int], float]] = []  # indices, bottom of the lowest
    for i, at in enumerate(wanted):
        group, bottom = [i], at - heights[i] / 2
        while groups and groups[-1][1] + sum(heights[j] for j in groups[-1][0]) > bottom:
            group = groups.pop()[0] + group
            tops = np.cumsum([0.0, *(heights[j] for j in group)])
            bottom = float(np.mean([wanted[j] - heights[j] / 2 - tops[k] for k, j in enumerate(group)]))
            bottom = max(min(bottom, high - float(tops[-1])), low)
        groups.append((group, bottom))
    out = [0.0] * len(wanted)
    for group, bottom in groups:
        for j in group:
            out[j] = bottom + heights[j] / 2
            bottom += heights[j]
    return out
