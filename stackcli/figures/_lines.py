"""How the points of a study differ as lines: colours, dashes, markers, and their legend."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stackcli.analysis.study_data import Frames
from stackcli.figures._figure import bar, legend
from stackcli.figures._points import Point, Scale, left_out, points, scale, spread_evenly
from stackcli.figures._style import DASHES, GREY, LINES, MARKERS, ORDERED, PALETTE, PICKS
from stackcli.figures._words import label, safe_text

CROWDED = 6  # more lines are split into panels, one for each choice of the other axes


def styles(count: int, *, ordered: bool = False) -> list[dict[str, Any]]:
    """Returns colour, marker and dash of each of `count` lines, distinct for the colour-blind and in grey."""
    if ordered:
        marks = MARKERS if count < LINES else ("",)
        where = np.linspace(0, 1, count) if count > 1 else [0.0]
        return [{"color": ORDERED(x), "marker": marks[i % len(marks)], "linestyle": "-"} for i, x in enumerate(where)]
    picks = PICKS[min(count, len(PICKS)) - 1]
    return [
        {
            "color": PALETTE[picks[i % len(picks)]],
            "marker": MARKERS[i % len(MARKERS)],
            "linestyle": DASHES[i % len(DASHES)],
        }
        for i in range(count)
    ]


def counts(last: int, first: int = 1) -> list[int]:
    """Returns ticks for layers: the first, and round multiples up to the last."""
    step = next(step for step in (1, 2, 4, 5, 10, 20, 50, 100, 1000, last) if last / step <= 5)
    return sorted({first, *range(step, last + 1, step)})


def swatch(**style: Any) -> Line2D:
    """Returns a line for the legend."""
    return Line2D([], [], **style)


@dataclass(frozen=True)
class Lines:
    """A line for each point: its colour shows an ordered setting (the depth, if swept), dash and marker the others."""

    points: tuple[Point, ...]
    total: int
    order: Scale | None
    keys: tuple[tuple[Any, ...], ...]  # values of the other axes
    names: tuple[str, ...]
    where: int  # index of the ordered setting among the axes

    def style(self, point: Point) -> dict[str, Any]:
        """Returns the look of a point's line, as keyword arguments of `plot`."""
        if self.order is None:
            return styles(len(self.points))[self.points.index(point)]
        style = styles(len(self.order.levels), ordered=True)[self.order.levels.index(self._level(point))]
        if len(self.order.levels) >= LINES:
            style["color"] = ORDERED(self._norm()(self._level(point)))
            style["marker"] = "." if point.depth == 1 else ""  # a line of one layer has no length
        if len(self.keys) > 1:
            i = self.keys.index(self._rest(point))
            style |= {"marker": MARKERS[i], "linestyle": DASHES[i]}
        return style

    def split(self) -> tuple["Lines", ...]:
        """Returns the lines of each panel: all in one, or a panel for each choice of the other axes, whose name is then
        the only one in `names`. The legend of the first panel is valid for all."""
        if len(self.keys) < 2 or len(self.points) <= CROWDED:
            return (self,)
        panels = [tuple(p for p in self.points if self._rest(p) == key) for key in self.keys]
        parts = zip(panels, self.keys, self.names, strict=True)
        return tuple(replace(self, points=points, keys=(key,), names=(name,)) for points, key, name in parts)

    def explain(self, figure: Figure, extra: Sequence[tuple[Artist, str]] = ()) -> None:
        """Adds the legend, or a colour bar for many ordered levels."""
        entries: list[tuple[Artist, str]] = []
        if self.order is None:
            entries = [(swatch(**self.style(p)), p.key) for p in self.points] if len(self.points) > 1 else []
        elif len(self.order.levels) < LINES:
            looks = zip(self.order.levels, styles(len(self.order.levels), ordered=True), strict=True)
            bare = {"marker": ""} if len(self.keys) > 1 else {}
            entries = [(swatch(**{**style, **bare}), f"{self.order.name}={safe_text(level)}") for level, style in looks]
        else:
            colours = ScalarMappable(self._norm(), ORDERED)
            bar(figure, colours, label(self.order.name), self.order.levels)
        if len(self.keys) > 1:
            dashes = zip(MARKERS, DASHES, self.names, strict=False)
            entries += [(swatch(color=GREY, marker=m, linestyle=d), name) for m, d, name in dashes]
        legend(figure, [*entries, *extra])

    @property
    def remarks(self) -> tuple[str, ...]:
        """Returns small print: what was left out, and what diverged."""
        return left_out(len(self.points), self.total, "points"), *(
            f"{p.key}: {p.remark}" for p in self.points if p.broken
        )

    def _norm(self) -> Normalize:
        assert self.order is not None
        kind = LogNorm if self.order.kind == "log" else Normalize
        return kind(self.order.levels[0], self.order.levels[-1])

    def _level(self, point: Point) -> Any:
        return point.values[self.where]

    def _rest(self, point: Point) -> tuple[Any, ...]:
        return tuple(value for i, value in enumerate(point.values) if i != self.where)


def lines(frames: Frames) -> Lines:
    """Returns how the points of the study differ as lines of one panel."""
    found = points(frames)
    scales = [scale(axis, [p.values[i] for p in found]) for i, axis in enumerate(frames.axes)]
    numeric = [s for s in scales if s.kind != "category" and len(s.levels) > 1]
    order = next((s for s in numeric if s.name == "depth"), numeric[0] if numeric else None)
    if order is None:
        return Lines(tuple(spread_evenly(found, LINES)), len(found), None, (), (), -1)
    where = frames.axes.index(order.name)
    others = [axis for axis in frames.axes if axis != order.name]
    rest = {p: tuple(value for i, value in enumerate(p.values) if i != where) for p in found}
    keys = spread_evenly(list(dict.fromkeys(rest.values())), 4)
    texts = [" ".join(f"{a}={safe_text(v)}" for a, v in zip(others, key, strict=True)) for key in keys]
    return Lines(tuple(p for p in found if rest[p] in keys), len(found), order, tuple(keys), tuple(texts), where)
