"""Validation loss of the runs of a search, in the order tried and against each setting; a ring marks the best."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

SETTINGS = 8  # at most so many panels of settings
LEVELS = 8  # up to so many values of a setting get a tick each
LOSS = "lowest validation\nloss (nats)"


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws a dot for each run, coloured by its length if runs differ in it; lines are the lowest so far."""
    if frames.command not in ("search", "halving") or frames.runs.empty or base.finished_runs(frames.runs).empty:
        return None
    length = frames.axes[-1] if frames.command == "halving" else None
    keys = [axis for axis in frames.axes if axis != length]
    shown = base.spread_evenly(keys, SETTINGS)
    runs = frames.runs.assign(order=np.arange(1, len(frames.runs) + 1))
    looks = _looks(base.finished_runs(runs), length)
    best = _best(base.finished_runs(runs), length)
    figure, panels = base.grid(1 + len(shown), 3, 1.6, sharey=True)
    _by_run(panels[0], runs, looks, length)
    for axes, key in zip(panels[1:], shown, strict=True):
        _by_value(axes, base.finished_runs(runs), key, looks, length)
        axes.plot([_at(axes, key, runs, best)], [best["val_loss"]], **_RING)
    panels[0].plot([best["order"]], [best["val_loss"]], **_RING)
    for axes in panels:
        axes.set_ylabel(LOSS if base.leftmost(axes) else "")
    entries = [(base.swatch(**look), f"{length}={base.safe_text(base.plain(value))}") for value, look in looks.items()]
    base.legend(figure, entries if length else [])
    base.headline(figure, "Which settings found the lowest loss?", "validation part")
    base.note(figure, "line: the lowest so far; ring: the best", base.left_out(len(shown), len(keys), "settings"),
              _broken(runs))  # fmt: skip
    return figure


_RING: dict[str, Any] = {"marker": "o", "markersize": 8, "fillstyle": "none", "color": "black", "label": "best"}
_RING |= {"linestyle": "none", "markeredgewidth": 0.9}


def _looks(done: pd.DataFrame, length: str | None) -> dict[Any, dict[str, Any]]:
    """Returns the look of each length of a run, the longest the darkest."""
    values = sorted(done[length].unique(), reverse=True) if length else [None]
    dot = {"marker": "o", "markersize": 3, "markeredgewidth": 0, "linestyle": "none"}
    return {
        v: {**dot, "color": s["color"]} for v, s in zip(values, base.styles(len(values), ordered=True), strict=True)
    }


def _best(done: pd.DataFrame, length: str | None) -> Any:
    """Returns the run with the lowest validation loss among the longest."""
    longest = done[done[length] == done[length].max()] if length else done
    return longest.loc[longest["val_loss"].astype(float).idxmin()]


def _select(runs: pd.DataFrame, value: Any, length: str | None) -> pd.DataFrame:
    return runs[runs[length] == value] if length else runs


def _by_run(axes: Axes, runs: pd.DataFrame, looks: dict[Any, dict[str, Any]], length: str | None) -> None:
    for value, look in looks.items():
        own = _select(base.finished_runs(runs), value, length)
        axes.plot(own["order"], own["val_loss"], **look, label="runs")
        line = {"color": look["color"], "linewidth": 1.0, "drawstyle": "steps-post"}
        axes.plot(own["order"], own["val_loss"].astype(float).cummin(), **line, label="so far")
    diverged = runs.loc[runs["status"] == "diverged", "order"]
    cross: dict[str, Any] = {"color": "black", "marker": "x", "markersize": 4, "linestyle": "none", "label": "diverged"}
    if len(diverged):
        axes.plot(diverged, [0.96] * len(diverged), transform=axes.get_xaxis_transform(), **cross)
    axes.set_xlim(0.4, len(runs) + 0.6)
    axes.set_xticks(base.counts(len(runs)))
    axes.set_xlabel("run (in the order tried)")


def _by_value(axes: Axes, done: pd.DataFrame, key: str, looks: dict[Any, dict[str, Any]], length: str | None) -> None:
    """Draws the runs whose part has the setting."""
    scale = _scale(key, done)
    for value, look in looks.items():
        own = _select(done, value, length)
        own = own[own[key].notna()]
        axes.plot([scale.at(base.plain(v)) for v in own[key]], own["val_loss"], **look, label="runs")
    if scale.kind == "category" or len(scale.levels) <= LEVELS:
        scale.dress(axes, "x", 120)
    elif scale.kind == "log":
        axes.set_xscale("log")
    text = base.label(key)
    axes.set_xlabel(text if "(" in text or scale.kind == "category" else f"{text} (value)")


def _scale(key: str, done: pd.DataFrame) -> base.Scale:
    return base.scale(key, done.loc[done[key].notna(), key])


def _at(axes: Axes, key: str, runs: pd.DataFrame, best: Any) -> float:
    """Returns the place of the best run on a setting's axis; NaN if its part lacks the setting."""
    value = base.plain(best[key])
    return np.nan if value is None else _scale(key, base.finished_runs(runs)).at(value)


def _broken(runs: pd.DataFrame) -> str:
    """Says how many runs are not done."""
    counts = runs.loc[runs["status"] != "done", "status"].value_counts(sort=False)
    kinds = ", ".join(f"{n} {'(crosses) ' if kind == 'diverged' else ''}{kind}" for kind, n in counts.items())
    return f"of {len(runs)} runs {kinds}" if kinds else ""
