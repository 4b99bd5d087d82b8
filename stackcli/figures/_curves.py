"""Draws loss or accuracy of the train subset and of the validation part by step, a panel for each point.

Lines are means over the finished seeds up to the last step that all of them reached. The step of each run's lowest
validation loss is marked; the step at which a run diverged is a cross.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

QUESTIONS = {
    "loss": "How do the train and validation losses change during training?",
    "acc": "How do the train and validation accuracies change during training?",
}
THIN = 5  # up to so many seeds have a line each; more are drawn as a band
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "0.55", "linestyle": base.DASHES[1]},
    {"color": "black", "linestyle": "-"},
)


def draw(frames: Frames, measure: str, unit: str) -> Figure | None:
    """Draws `measure`, loss or acc, from the columns train_ and val_ of the curve; `unit` is the axis label."""
    looks = {f"train_{measure}": LOOKS[0], f"val_{measure}": LOOKS[1]}
    found = [point for point in base.points(frames) if not _all(point, frames.curve).empty]
    if not found:
        return None
    figure, panels, left_out = base.point_panels(frames, found, 1.6, sharey=True)
    shown = [point for _, point in panels]
    last: dict[Any, float] = {}
    for point in shown:
        data = base.data_of(frames, point)
        last[data] = max(1.0, last.get(data, 1.0), float(_all(point, frames.curve)["step"].max()))
    for axes, point in panels:
        _panel(axes, point, frames, looks)
        axes.set_xlabel("step (optimiser steps)" if base.across(axes) < 5 else "step (optimiser)")
        axes.set_ylabel(unit if base.leftmost(axes) else "")
        data = base.data_of(frames, point)
        axes.set_xlim(-0.04 * last[data], 1.04 * last[data])
        same = [other for other in shown if base.data_of(frames, other) == data]
        axes.set_ylim(*(_limits(same, frames.curve, looks) if measure == "loss" else (-0.02, 1.02)))
    base.legend(figure, _entries(shown))
    base.headline(figure, QUESTIONS[measure])
    seeds = max(point.count for point in shown)
    spread = "thin: single runs" if seeds <= THIN else "band: 95 % t interval over seeds"
    epoch = _epoch(pd.concat([_all(point, frames.curve) for point in shown]))
    base.note(figure, left_out, spread if seeds > 1 else "", epoch)
    return figure


def _epoch(rows: pd.DataFrame) -> str:
    """Says how many steps an epoch has, if all runs agree."""
    rows = rows[rows["epoch"] > 0]
    steps = sorted(set((rows["step"] / rows["epoch"]).round(6)))
    return f"an epoch is {steps[0]:g} steps" if len(steps) == 1 else ""


def _all(point: base.Point, curve: pd.DataFrame) -> pd.DataFrame:
    return point.rows(curve, [*point.done, *(run for run, _ in point.broken)])


def _panel(axes: Axes, point: base.Point, frames: Frames, looks: dict[str, dict[str, Any]]) -> None:
    """Draws single runs or their band, the mean, the best step of each run, and the runs that diverged."""
    done = point.rows(frames.curve)
    for column, look in looks.items():
        table = done.pivot(index="step", columns="run", values=column) if len(done) else pd.DataFrame()
        shared = table.dropna()
        if 1 < len(table.columns) <= THIN:
            for run in table:
                single = table[run].dropna()
                axes.plot(single.index, single, **look, linewidth=0.5, alpha=0.6, label=f"{column} {run}")
        elif len(table.columns) > THIN:
            bounds = np.array([base.interval(row)[1:] for row in shared.to_numpy()]).reshape(-1, 2)
            axes.fill_between(
                shared.index, *bounds.T, color=look["color"], alpha=0.25, linewidth=0, label=f"{column} band"
            )
        if len(shared):
            axes.plot(shared.index, shared.mean(axis=1), **look, label=f"{column} mean")
        for run, status in point.broken:
            rows = point.rows(frames.curve, [run])
            finite = rows[np.isfinite(rows[column].astype(float))]
            if status == "diverged" and len(finite):
                axes.plot(finite["step"], finite[column], **look, linewidth=0.5, alpha=0.8, label=f"{column} {run}")
    best = _best(point, frames, done)
    axes.plot(best["step"], best[list(looks)[1]], **_BEST)
    diverged = frames.runs[(frames.runs["point"] == point.key) & (frames.runs["status"] == "diverged")]
    if len(diverged):
        steps = base.finite(diverged["diverged_step"])
        axes.plot(steps, [0.96] * len(steps), transform=axes.get_xaxis_transform(), **_GONE)


_BEST: dict[str, Any] = {
    "color": "black",
    "marker": "v",
    "markersize": 4.5,
    "markerfacecolor": "white",
    "linestyle": "none",
    "label": "best",
}
_GONE: dict[str, Any] = {"color": "black", "marker": "x", "markersize": 4, "linestyle": "none", "label": "diverged"}


def _best(point: base.Point, frames: Frames, done: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the curve at each finished run's lowest validation loss."""
    if done.empty or "step_best" not in frames.runs:
        return pd.DataFrame({"step": [], "val_loss": [], "val_acc": []})
    runs = frames.runs[frames.runs["point"] == point.key].set_index("run")["step_best"]
    return done[done["step"] == done["run"].map(runs)]


def _limits(points: list[base.Point], curve: pd.DataFrame, looks: dict[str, dict[str, Any]]) -> tuple[float, float]:
    """Returns limits that hold the finished runs, and of runs that diverged at least the start."""
    rows = pd.concat([point.rows(curve) for point in points])
    if rows.empty:
        starts = pd.concat([_all(point, curve) for point in points]).groupby("run").head(3)
        values = base.finite(starts[list(looks)].to_numpy().ravel())
        return 0.0, 1.3 * float(values.max()) if len(values) else 1.0
    values = base.finite(rows[list(looks)].to_numpy().ravel())
    first = base.finite(rows.sort_values("step").groupby("run").head(1)[list(looks)].to_numpy().ravel())
    top = min(values.max(), 3 * max(first.max(), float(np.median(values)))) if len(first) else 1.0
    return 0.0, 1.08 * float(top)


def _entries(points: list[base.Point]) -> list[tuple[Any, str]]:
    entries = [(base.swatch(**look), name) for look, name in zip(LOOKS, ("train", "validation"), strict=True)]
    if any(point.done for point in points):
        entries.append((base.swatch(**{**_BEST, "label": ""}), "lowest validation loss of a run"))
    if any(status == "diverged" for point in points for _, status in point.broken):
        entries.append((base.swatch(**{**_GONE, "label": ""}), "diverged"))
    return entries
