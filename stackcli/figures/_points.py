"""The points of a study, and the places of swept settings on an axis."""

import math
import re
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures._style import STYLE
from stackcli.figures._words import fit, label, safe_text, width


@dataclass(frozen=True)
class Scale:
    """The places of a setting's values on an axis: numbers on a linear or log scale, anything else one by one."""

    name: str
    levels: tuple[Any, ...]
    kind: Literal["even", "log", "category"]

    def at(self, value: Any, shift: float = 0.0) -> float:
        """Returns the place of a value, moved by `shift` times the least distance between neighbours."""
        if self.kind == "category":
            return self.levels.index(value) + shift
        if self.kind == "log":
            return float(value * math.exp(np.diff(np.log(self.levels)).min() * shift))
        gap = np.diff(self.levels).min() if len(self.levels) > 1 else abs(value) or 1.0
        return float(value + gap * shift)

    def dress(self, axes: Axes, side: Literal["x", "y"], room: float, most: float = 110) -> None:
        """Sets scale, limits, ticks and label of an axis of `room` points; turned labels have at most `most` points."""
        axis: Axis = getattr(axes, f"{side}axis")
        axis.set_label_text(label(self.name))
        if self.kind == "log":
            getattr(axes, f"set_{side}scale")("log", base=2)
        texts, turn = [safe_text(level) for level in self.levels], False
        if self.kind == "category":
            slot = room / len(texts) - 3
            turn = side == "x" and max(map(_longest_word, texts)) > slot
            flat = side == "x" and not turn
            texts = [fit(text, slot if flat else most, lines=3 if flat else 1) for text in texts]
            axis.grid(False)
        if turn and isinstance(axes.figure, Figure):
            axes.figure.set_figheight(axes.figure.get_figheight() + max(map(width, texts)) / 72)
        places = range(len(texts)) if self.kind == "category" else self.levels
        axis.set_ticks(list(places), labels=texts, rotation=90 if turn else 0)
        axis.set_ticks([], minor=True)
        ends = self.at(self.levels[0], -0.5), self.at(self.levels[-1], 0.5)
        getattr(axes, f"set_{side}lim")(*((-0.5, len(texts) - 0.5) if self.kind == "category" else ends))


def _longest_word(text: str) -> float:
    return max((width(word) for word in re.split(r"(?<=[\s,;:=/_+\-])", text)), default=0.0)


def scale(name: str, values: Any) -> Scale:
    """Returns the scale of a setting: numbers sorted, anything else in order of appearance."""
    levels = list(dict.fromkeys(plain(value) for value in values))
    if not all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels):
        return Scale(name, tuple(levels), "category")
    levels.sort()
    return Scale(name, tuple(levels), "log" if _spread_by_ratio(levels) else "even")


def _spread_by_ratio(levels: list[Any]) -> bool:
    """Whether the levels look like 1, 2, 4, 8 rather than 1, 2, 3, 4: their logarithms are more evenly spaced."""
    if len(levels) < 3 or levels[0] <= 0:
        return False
    even, ratio = np.diff(levels), np.diff(np.log(levels))
    return bool(ratio.std() / ratio.mean() < even.std() / even.mean())


def plain(value: Any) -> Any:
    """Returns a cell of a frame as the Python value that was set: 8.0 becomes 8, NaN becomes None."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class Point:
    """The runs of one point of a study, except those that never started."""

    key: str  # the column `point` of the frames
    values: tuple[Any, ...]  # one for each axis
    depth: int
    done: tuple[str, ...]  # finished runs
    broken: tuple[tuple[str, str], ...]  # (run, status): diverged, failed or lost

    @property
    def count(self) -> int:
        return len(self.done) + len(self.broken)

    @property
    def remark(self) -> str:
        """Says what went wrong: "diverged 2 of 3"; empty if nothing did."""
        kinds = Counter(status for _, status in self.broken)
        return ", ".join(f"{kind} {n} of {self.count}" for kind, n in kinds.items())

    def heading(self, room: float) -> str:
        """Returns the point and what went wrong as a title `room` points wide."""
        text = ", ".join(filter(None, [safe_text(self.key), self.remark]))
        if width(text, STYLE["axes.titlesize"]) <= room:
            return text
        parts = [fit(text, room, size=STYLE["axes.titlesize"]) for text in (self.key, self.remark) if text]
        return "\n".join(parts)

    def rows(self, frame: pd.DataFrame, runs: Sequence[str] | None = None) -> pd.DataFrame:
        """Returns the rows of the finished runs (or of `runs`) in a frame."""
        if frame.empty:
            return frame
        return rows_of_point(frame, self.key, self.done if runs is None else runs)

    def shown(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Returns the rows of the finished runs, or of the first broken run if none finished."""
        rows = self.rows(frame)
        return rows if not rows.empty else self.rows(frame, [run for run, _ in self.broken][:1])


def points(frames: Frames) -> list[Point]:
    """Returns the points of the study, sorted by the axes (categories in order of appearance)."""
    return list(_find_points(frames))


@lru_cache(maxsize=1)
def _find_points(frames: Frames) -> tuple[Point, ...]:
    """Finds the points once for all figures of a study."""
    if frames.runs.empty:
        return ()
    runs = frames.runs[list(dict.fromkeys(["run", "point", "status", "depth", *frames.axes]))]
    runs = runs[runs["status"] != "missing"]
    scales = [scale(axis, runs[axis]) for axis in frames.axes]
    found = []
    for key, rows in runs.groupby("point", sort=False):
        done = rows["status"] == "done"
        broken = rows[~done]
        found.append(
            Point(
                key=str(key),
                values=tuple(plain(rows[axis].iloc[0]) for axis in frames.axes),
                depth=int(rows["depth"].iloc[0]),
                done=tuple(rows.loc[done, "run"]),
                broken=tuple(zip(broken["run"], broken["status"], strict=True)),
            )
        )
    found.sort(key=lambda point: [s.levels.index(v) for s, v in zip(scales, point.values, strict=True)])
    return tuple(found)


class _Places:
    """Where the rows of each point and run of a frame are, found once: to search the frame for each of many points
    would take longer than to draw them."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = weakref.ref(frame)
        self.points: Mapping[Any, Any] = frame.groupby("point", sort=False).indices
        self.runs, names = pd.factorize(frame["run"])  # a number for each row
        self.numbers = {name: number for number, name in enumerate(names)}

    def take(self, frame: pd.DataFrame, key: str, runs: Sequence[str]) -> pd.DataFrame:
        places = self.points.get(key, np.empty(0, dtype=int))
        wanted = np.isin(self.runs[places], [self.numbers[run] for run in runs if run in self.numbers])
        places = places[wanted]
        if len(places) and places[-1] - places[0] + 1 == len(places):
            return frame.iloc[places[0] : places[-1] + 1]  # shares their memory
        return frame.take(places)


_FOUND: dict[int, _Places] = {}  # by the id of a frame


def rows_of_point(frame: pd.DataFrame, key: str, runs: Sequence[str]) -> pd.DataFrame:
    """Returns the rows of these runs of a point, in their order."""
    found = _FOUND.get(id(frame))
    if found is None or found.frame() is not frame:
        found = _FOUND[id(frame)] = _Places(frame)
        weakref.finalize(frame, _FOUND.pop, id(frame), None)
    return found.take(frame, key, runs)


def spread_evenly(items: Sequence[Any], most: int) -> list[Any]:
    """Returns at most `most` of the items, evenly spread, with the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(most - 1, 1))] for i in range(most)]


def left_out(shown: int, total: int, what: str) -> str:
    """Says how many of `total` are shown; empty if all are."""
    return f"{shown} of {total} {what} shown" if shown < total else ""


def last_map(layers: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of each block's last linear map: ff2, or o in runs without a feed-forward map."""
    if layers.empty:
        return layers
    maps = layers[layers["tensor"].isin(["ff2", "o"])]
    with_ff = maps.loc[maps["tensor"] == "ff2", "run"].unique()
    return maps[(maps["tensor"] == "ff2") | ~maps["run"].isin(with_ff)]
