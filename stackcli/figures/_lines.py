"""How the points of a study differ as lines: colours, dashes, markers, and their legend."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stackcli.analysis.study_data import Frames
from stackcli.figures._figure import bar, legend
from stackcli.figures._marks import mark_right
from stackcli.figures._points import Point, Scale, left_out, points, scale, spread_evenly
from stackcli.figures._style import DASHES, GREY, LEGEND, LINES, MARKERS, ORDERED, PALETTE, PICKS
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
    """A line for each point: its colour shows an ordered setting (the depth, if swept), dash and marker the others.

    Without an ordered setting colour, dash and marker show the choice of all others. Each data set has its own panel.
    """

    points: tuple[Point, ...]
    total: int
    order: Scale | None
    keys: tuple[tuple[Any, ...], ...]  # values of the axes that are neither ordered nor the data
    names: tuple[str, ...]  # of the keys
    every: tuple[tuple[Any, ...], ...]  # the keys of the whole study, which fix the looks
    where: int  # index of the ordered setting among the axes, -1 without
    data_at: int  # index of the data sets among the axes, -1 without
    title: str = ""  # of the panel, after `split`

    def style(self, point: Point) -> dict[str, Any]:
        """Returns the look of a point's line, as keyword arguments of `plot`."""
        i = self.every.index(self._rest(point))
        if self.order is None:
            return styles(len(self.every))[i]
        style = styles(len(self.order.levels), ordered=True)[self.order.levels.index(self._level(point))]
        if self._many:
            style["color"] = ORDERED(self._norm()(self._level(point)))
            style["marker"] = "." if point.depth == 1 else ""  # a line of one layer has no length
        if len(self.every) > 1:
            style |= {"marker": MARKERS[i % len(MARKERS)], "linestyle": DASHES[i % len(DASHES)]}
        return style

    def split(self) -> tuple["Lines", ...]:
        """Returns the lines of each panel, with its title: a panel for each data set, and for each choice of the other
        settings if there are many lines. The legend of the first panel is valid for all."""
        parts = [self]
        if self.data_at >= 0:
            names = list(dict.fromkeys(point.values[self.data_at] for point in self.points))
            of = {name: tuple(p for p in self.points if p.values[self.data_at] == name) for name in names}
            parts = [replace(self, points=own, title=f"data={safe_text(name)}") for name, own in of.items()]
        crowded = self.order is not None and len(self.keys) > 1 and max(len(p.points) for p in parts) > CROWDED
        return tuple(own for part in parts for own in (part._split_by_key() if crowded else [part]))

    def _split_by_key(self) -> list["Lines"]:
        out = []
        for key, name in zip(self.keys, self.names, strict=True):
            points = tuple(p for p in self.points if self._rest(p) == key)
            title = " ".join(filter(None, [self.title, name]))
            out.append(replace(self, points=points, keys=(key,), names=(name,), title=title))
        return out

    def explain(
        self, figure: Figure, extra: Sequence[tuple[Artist, str]] = (), *, axes: Sequence[Axes] | None = None
    ) -> None:
        """Adds the legend, or a colour bar for many ordered levels. Of many lines the last of the panels `axes` names
        each at its right end instead."""
        entries: list[tuple[Artist, str]] = []
        choices = [(self.every.index(key), name) for key, name in zip(self.keys, self.names, strict=True)]
        if self.order is None:
            looks = [(name, styles(len(self.every))[i]) for i, name in choices]
            if len(self.keys) > 1:
                entries = name_looks(axes[-1], looks) if axes else [(swatch(**look), name) for name, look in looks]
        elif not self._many:
            bare = {"marker": ""} if len(self.every) > 1 else {}
            levels = zip(self.order.levels, styles(len(self.order.levels), ordered=True), strict=True)
            entries = [
                (swatch(**{**style, **bare}), f"{self.order.name}={safe_text(level)}") for level, style in levels
            ]
        else:
            bar(figure, ScalarMappable(self._norm(), ORDERED), label(self.order.name), self.order.levels)
        if self.order is not None and len(self.keys) > 1:
            looks = [(name, styles(len(self.every))[i]) for i, name in choices]
            entries += [(swatch(**{**look, "color": GREY}), name) for name, look in looks]
        legend(figure, [*entries, *extra])

    @property
    def remarks(self) -> tuple[str, ...]:
        """Returns small print: what was left out, and what diverged."""
        return left_out(len(self.points), self.total, "points"), *(
            f"{p.key}: {p.remark}" for p in self.points if p.broken
        )

    @property
    def _many(self) -> bool:
        return self.order is not None and len(self.order.levels) > LEGEND

    def _norm(self) -> Normalize:
        assert self.order is not None
        kind = LogNorm if self.order.kind == "log" else Normalize
        return kind(self.order.levels[0], self.order.levels[-1])

    def _level(self, point: Point) -> Any:
        return point.values[self.where]

    def _rest(self, point: Point) -> tuple[Any, ...]:
        return tuple(value for i, value in enumerate(point.values) if i not in (self.where, self.data_at))


def name_looks(axes: Axes, looks: Sequence[tuple[str, dict[str, Any]]]) -> list[tuple[Artist, str]]:
    """Returns the legend entries of lines, name and look; of more than `LEGEND` lines none, as each is named beside the
    panel, at the height of its last number."""
    if len(looks) <= LEGEND:
        return [(swatch(**look), name) for name, look in looks]
    for name, look in looks:
        same = [line for line in axes.lines if (line.get_color(), line.get_marker()) == (look["color"], look["marker"])]
        ends = [float(np.asarray(line.get_ydata(), dtype=float)[-1]) for line in same if np.size(line.get_xdata())]
        if ends:
            mark_right(axes, ends[-1], name, look["color"])
    return []


def lines(frames: Frames) -> Lines:
    """Returns how the points of the study differ as lines."""
    found = points(frames)
    scales = [scale(axis, [p.values[i] for p in found]) for i, axis in enumerate(frames.axes)]
    numeric = [s for s in scales if s.kind != "category" and len(s.levels) > 1]
    order = next((s for s in numeric if s.name == "depth"), numeric[0] if numeric else None)
    where = -1 if order is None else frames.axes.index(order.name)
    several = "data" in frames.axes and len(frames.axes) > 1
    data_at = frames.axes.index("data") if several else -1
    others = [axis for i, axis in enumerate(frames.axes) if i not in (where, data_at)]
    rest = {p: tuple(value for i, value in enumerate(p.values) if i not in (where, data_at)) for p in found}
    every = list(dict.fromkeys(rest.values()))
    keys = spread_evenly(every, LINES if order is None else 4)
    texts = [" ".join(f"{a}={safe_text(v)}" for a, v in zip(others, key, strict=True)) for key in keys]
    kept = tuple(p for p in found if rest[p] in keys)
    return Lines(kept, len(found), order, tuple(keys), tuple(texts), tuple(every), where, data_at)
