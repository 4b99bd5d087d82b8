"""Confusion matrix of the test part at the best point, summed over seeds, and the recall of each class."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

COUNTS, SHARES = 8, 16  # up to 8 classes a cell shows share and count, up to 16 the share


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws the point that the report calls the best: all its runs finished, and its mean on the test part is best."""
    if (point := _best(frames)) is None:
        return None
    runs = _with_matrix(point, frames.runs)
    counts = np.sum([np.asarray(list(cells), dtype=float) for cells in runs["confusion"]], axis=0)
    names = [base.safe_text(name) for name in runs["classes"].iloc[0]] or [str(i) for i in range(len(counts))]
    k = len(names)
    height = 1.1 + min(max(0.2 * k, 1.9), 6.0)
    figure, ((left, right),) = base.new(
        base.FULL, height, 1, 2, sharey=True, width_ratios=[3.8 if k > COUNTS else 1.8, 1]
    )
    mesh = _matrix(left, counts, names)
    _recall(right, runs, counts)
    base.bar(figure, mesh, "predicted (share of the true class)")
    total = int(counts.sum())
    best = "best mean on the test part of all points" if len(base.points(frames)) > 1 else ""
    where = ", ".join(filter(None, [point.key, best, point.remark]))
    base.headline(figure, "Which classes are confused?", "test part, weights with the lowest validation loss")
    base.note(figure, where, f"{total} items of {len(runs)} {'run' if len(runs) == 1 else 'runs'}", _dots(runs))
    return figure


def _dots(runs: pd.DataFrame) -> str:
    return "dots: single runs" if len(runs) > 1 else ""


def _with_matrix(point: base.Point, runs: pd.DataFrame) -> pd.DataFrame:
    """Returns the finished runs of the point with the same classes."""
    done = point.rows(runs)
    done = done[[isinstance(cells, list | tuple | np.ndarray) and len(cells) > 0 for cells in done["confusion"]]]
    return done[[list(c) == list(done["classes"].iloc[0]) for c in done["classes"]]] if len(done) else done


def _best(frames: Frames) -> base.Point | None:
    if "confusion" not in frames.runs:
        return None
    found = [point for point in base.points(frames) if len(_with_matrix(point, frames.runs))]

    metric = base.metric_of(frames, frames.runs)
    sign = 1.0 if metric == "test_acc" else -1.0

    def height(point: base.Point) -> tuple[bool, float]:
        mean = sign * base.interval(point.rows(frames.runs)[metric])[0]
        return not point.broken, mean if np.isfinite(mean) else -np.inf

    return max(found, key=height, default=None)


def _matrix(axes: Axes, counts: Any, names: list[str]) -> Any:
    k = len(names)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = counts / counts.sum(axis=1, keepdims=True)
    norm = Normalize(0, 1) if k <= SHARES else PowerNorm(0.5, 0, 1)  # makes rare confusions visible without numbers
    mesh = base.shade(axes, columns=range(k), rows=range(k), values=shares, cmap="Blues", norm=norm)
    for i, j in np.ndindex(k, k) if k <= SHARES else ():
        if np.isfinite(shares[i, j]) and (counts[i, j] or k <= COUNTS):
            text = f"{shares[i, j]:.2f}" + (f"\n{counts[i, j]:.0f}" if k <= COUNTS else "")
            dark = shares[i, j] > 0.55
            axes.text(j, i, text, ha="center", va="center", size=base.SIZE, color="white" if dark else "black")
    base.Scale("predicted class", tuple(names), "category").dress(axes, "x", 250, most=80)
    base.Scale("true class", tuple(names), "category").dress(axes, "y", 0, most=80)
    axes.set_ylim(k - 0.5, -0.5)
    return mesh


def _recall(axes: Axes, runs: pd.DataFrame, counts: Any) -> None:
    """Draws bars over all runs and a dot for each."""
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.diag(counts) / counts.sum(axis=1)
    axes.barh(range(len(recall)), recall, height=0.7, color="#9ecae1", label="recall")
    if len(runs) > 1:
        for values in runs["acc_by_class"]:
            values = np.asarray(list(values), dtype=float)
            axes.plot(values, range(len(values)), ".", color="black", markersize=4.5, mew=0, label="single run")
    axes.set_xlim(0, 1.03)
    axes.set_xlabel("recall (share)")
    axes.tick_params(axis="y", left=False, labelleft=False)
    axes.grid(False, axis="y")
