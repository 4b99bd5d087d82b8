"""Loss on the train subset and on the validation part by step, a panel for each point; the best step is marked."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.figures import base
from stackcli.frames import Frames

PANELS = 8
THIN = 5  # up to so many seeds each has a line of its own; more become a band
LOOKS: dict[str, dict[str, Any]] = {
    "train_loss": {"color": base.PALETTE[1], "linestyle": "-"},
    "val_loss": {"color": base.PALETTE[5], "linestyle": base.DASHES[1]},
}
NAMES = {"train_loss": "train", "val_loss": "validation"}


@base.styled
def draw(frames: Frames) -> Figure | None:
    """Means over the finished seeds up to the step that all of them reached; runs that diverged end in a cross."""
    found = [point for point in base.points(frames) if not _all(point, frames.curve).empty]
    if not found:
        return None
    shown = base.spread(found, PANELS)
    figure, panels = base.grid(len(shown), 4, 1.6, sharey=True)
    across = panels[0].get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    last = max(_all(point, frames.curve)["step"].max() for point in shown)
    for axes, point in zip(panels, shown, strict=True):
        _panel(axes, point, frames)
        axes.set_title(point.heading(base.FULL * 72 / across - 26 if across > 1 else 190))
        axes.set_xlabel("step (optimiser steps)")
    for axes in panels:
        axes.set_ylabel("loss\n(nats per example)" if base.leftmost(axes) else "")
        axes.set_xlim(-0.04 * last, 1.04 * last)
    panels[0].set_ylim(*_limits(shown, frames.curve))
    base.legend(figure, _entries(shown))
    seeds = max(point.count for point in shown)
    spread = "thin: single runs" if seeds <= THIN else "band: 95 % t interval over seeds"
    base.note(figure, base.left_out(len(shown), len(found), "points"), spread if seeds > 1 else "")
    return figure


def _all(point: base.Point, curve: pd.DataFrame) -> pd.DataFrame:
    return point.rows(curve, [*point.done, *(run for run, _ in point.broken)])


def _panel(axes: Axes, point: base.Point, frames: Frames) -> None:
    """Single runs or their band, the mean, where each was best, and what diverged."""
    done = point.rows(frames.curve)
    for column, look in LOOKS.items():
        table = done.pivot(index="step", columns="run", values=column) if len(done) else pd.DataFrame()
        whole = table.dropna()
        if 1 < len(table.columns) <= THIN:
            for run in table:
                single = table[run].dropna()
                axes.plot(single.index, single, **look, linewidth=0.5, alpha=0.6, label=f"{column} {run}")
        elif len(table.columns) > THIN:
            bounds = np.array([base.interval(row)[1:] for row in whole.to_numpy()]).reshape(-1, 2)
            axes.fill_between(
                whole.index, *bounds.T, color=look["color"], alpha=0.25, linewidth=0, label=f"{column} band"
            )
        if len(whole):
            axes.plot(whole.index, whole.mean(axis=1), **look, label=f"{column} mean")
        for run, status in point.broken:
            rows = point.rows(frames.curve, [run])
            finite = rows[np.isfinite(rows[column].astype(float))]
            if status == "diverged" and len(finite):
                axes.plot(finite["step"], finite[column], **look, linewidth=0.5, alpha=0.8, label=f"{column} {run}")
    best = _best(point, frames, done)
    axes.plot(best["step"], best["val_loss"], **_BEST)
    gone = frames.runs[(frames.runs["point"] == point.key) & (frames.runs["status"] == "diverged")]
    if len(gone):
        steps = base.finite(gone["diverged_step"])
        axes.plot(steps, [0.96] * len(steps), transform=axes.get_xaxis_transform(), **_GONE)


_BEST: dict[str, Any] = {"color": "black", "marker": "v", "markersize": 3.5, "linestyle": "none", "label": "best"}
_GONE: dict[str, Any] = {"color": "black", "marker": "x", "markersize": 4, "linestyle": "none", "label": "diverged"}


def _best(point: base.Point, frames: Frames, done: pd.DataFrame) -> pd.DataFrame:
    """The rows of the curve at each finished run's lowest validation loss."""
    if done.empty or "step_best" not in frames.runs:
        return pd.DataFrame({"step": [], "val_loss": []})
    runs = frames.runs[frames.runs["point"] == point.key].set_index("run")["step_best"]
    return done[done["step"] == done["run"].map(runs)]


def _limits(points: list[base.Point], curve: pd.DataFrame) -> tuple[float, float]:
    """Room for the finished runs; a run that diverged may leave the panel, but is seen to start."""
    rows = pd.concat([point.rows(curve) for point in points])
    if rows.empty:
        starts = pd.concat([_all(point, curve) for point in points]).groupby("run").head(3)
        values = base.finite(starts[list(LOOKS)].to_numpy().ravel())
        return 0.0, 1.3 * float(values.max()) if len(values) else 1.0
    values = base.finite(rows[list(LOOKS)].to_numpy().ravel())
    first = base.finite(rows.sort_values("step").groupby("run").head(1)[list(LOOKS)].to_numpy().ravel())
    top = min(values.max(), 3 * max(first.max(), float(np.median(values)))) if len(first) else 1.0
    return min(0.0, float(values.min()) if len(values) else 0.0), 1.08 * float(top)


def _entries(points: list[base.Point]) -> list[tuple[Any, str]]:
    entries = [(base.swatch(**look), NAMES[column]) for column, look in LOOKS.items()]
    if any(point.done for point in points):
        entries.append((base.swatch(**{**_BEST, "label": ""}), "lowest validation loss of a run"))
    if any(status == "diverged" for point in points for _, status in point.broken):
        entries.append((base.swatch(**{**_GONE, "label": ""}), "diverged"))
    return entries
