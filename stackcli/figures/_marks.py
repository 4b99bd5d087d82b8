"""Names lines and levels at the right edge of a panel, instead of in a legend."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from scipy.optimize import isotonic_regression

from stackcli.figures._style import SIZE
from stackcli.figures._words import fit, safe_text

MARK = "mark"
GAP = 4.0  # points between the panel and the text
LEADER = {  # the line from the left edge of the text to the end of its line
    "arrowstyle": "-",
    "relpos": (0, 0.5),
    "linewidth": 0.5,
    "shrinkA": 0,
    "shrinkB": 0,
    "alpha": 0.7,
}


def mark_right(axes: Axes, value: float, text: str, color: Any, *, room: float = 90, lines: int = 2) -> None:
    """Writes a text of at most `lines` lines of `room` points beside the right edge, at the height of `value`. A value
    outside the panel is written at its edge with an arrow. Texts that would overlap are moved apart in the end."""
    low, high = sorted(axes.get_ylim())
    arrow = "\N{UPWARDS ARROW} " if value > high else "\N{DOWNWARDS ARROW} " if value < low else ""
    axes.annotate(
        fit(arrow + safe_text(text), room, lines=lines),
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
        arrowprops=LEADER | {"color": color},
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
    heights = [Text.get_window_extent(mark).height / inch + 0.5 for mark in marks]  # without the arrow
    box = axes.get_window_extent()
    centres = _place([at[mark] for mark in marks], heights, box.y0 / inch, box.y1 / inch)
    for mark, centre in zip(marks, centres, strict=True):
        mark.set_position((GAP, centre - at[mark]))


def _place(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> np.ndarray[Any, Any]:
    """Returns centres of texts of these heights, one above the other in the order given, inside low .. high where they
    fit there, and as near to the wanted ones as can be (least squares)."""
    tall = np.asarray(heights, dtype=float)
    steps = np.concatenate([[0.0], np.cumsum((tall[:-1] + tall[1:]) / 2)])
    free: np.ndarray[Any, Any] = isotonic_regression(np.asarray(wanted, dtype=float) - steps).x
    first = low + tall[0] / 2
    return np.asarray(np.clip(free, first, max(first, high - tall[-1] / 2 - steps[-1])) + steps)
