"""Lays out a panel for each point of a study, as a grid if two axes were swept: a column for each depth or data set."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures._figure import across as across_of
from stackcli.figures._figure import grid, leftmost
from stackcli.figures._points import Point, left_out, spread_evenly
from stackcli.figures._style import COLUMN, FULL

MOST, ACROSS = 12, 5  # panels of a figure, and of a row
BAR = 55  # points that a colour bar takes


def point_panels(
    frames: Frames, found: Sequence[Point], height: float, *, across: int = 4, bars: int = 0, sharey: bool = False
) -> tuple[Figure, list[tuple[Axes, Point]], str]:
    """Returns a figure, a panel with a title for each of the points, at most `MOST`, and a sentence on those left
    out. Panels are `height` inches high. In a grid each data set has as many panels as any other.

    across: panels in a row where the points form no grid. bars: colour bars that will be added. sharey: whether panels
    have one y axis; those of different data sets never do."""
    cells, columns = _cells(frames.axes, list(found), across)
    figure, axes = grid(len(cells), columns, height)
    pairs = [(own, point) for own, point in zip(axes, cells, strict=True) if point is not None]
    for own, point in zip(axes, cells, strict=True):
        if point is None:
            own.remove()
    wide = (FULL if len(cells) > 1 else COLUMN) * 72 - BAR * bars
    room = wide / across_of(axes[0]) - 24
    for own, point in pairs:
        own.set_title(point.heading(room))
    if sharey:
        _share(frames, pairs)
    return figure, pairs, left_out(len(pairs), len(found), "points")


def data_of(frames: Frames, point: Point) -> Any:
    """Returns the data set of a point; None unless several were swept."""
    return point.values[frames.axes.index("data")] if "data" in frames.axes else None


def _cells(axes: Sequence[str], found: list[Point], across: int) -> tuple[list[Point | None], int]:
    """Returns the points of a grid, row by row (None: not in the study), and its columns; if there is no grid, points
    that are evenly spread."""
    name = next((name for name in ("depth", "data") if name in axes), "")
    flat: list[Point | None] = [*spread_evenly(found, MOST)]
    if not name or len(axes) < 2:
        return flat, min(across, len(flat))
    at = list(axes).index(name)
    rest = {point: (*point.values[:at], *point.values[at + 1 :]) for point in found}
    levels, rows = list(dict.fromkeys(p.values[at] for p in found)), list(dict.fromkeys(rest.values()))
    if len(levels) < 2 or len(rows) < 2:
        return flat, min(across, len(flat))
    levels = spread_evenly(sorted(levels) if name == "depth" else levels, ACROSS)
    kept = _rows(axes, rows, at, MOST // len(levels))
    where = {(rest[point], point.values[at]): point for point in found}
    return [where.get((row, level)) for row in kept for level in levels], len(levels)


def _rows(axes: Sequence[str], rows: list[tuple[Any, ...]], at: int, most: int) -> list[tuple[Any, ...]]:
    """Returns at most `most` rows, the same number for every data set."""
    others = [*axes[:at], *axes[at + 1 :]]
    if "data" not in others:
        return spread_evenly(rows, most)
    place = others.index("data")
    names = list(dict.fromkeys(row[place] for row in rows))
    kept = spread_evenly(names, most)
    each = max(1, most // len(kept))
    return [row for name in kept for row in spread_evenly([row for row in rows if row[place] == name], each)]


def _share(frames: Frames, pairs: Sequence[tuple[Axes, Point]]) -> None:
    """Gives the panels of each data set one y axis, and writes its numbers once in a row."""
    first: dict[Any, Axes] = {}
    for axes, point in pairs:
        key = data_of(frames, point)
        if key in first:
            axes.sharey(first[key])
        first.setdefault(key, axes)
    for (_, left), (axes, point) in pairwise(pairs):
        if not leftmost(axes) and data_of(frames, left) == data_of(frames, point):
            axes.tick_params(labelleft=False)
