"""Validation loss against the learning rate (or another searched training setting), one line for each other setting."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

SEARCHED = (
    "lr",
    "weight_decay",
    "warmup",
    "dropout",
    "clip",
    "label_smoothing",
    "batch",
    "epochs",
    "steps",
    "embed_std",
)


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means of the lowest validation loss over seeds, a dot for every seed, and a ring at the best value."""
    key = next((axis for axis in frames.axes if axis in SEARCHED), None)
    done = base.finished_runs(frames.runs) if len(frames.runs) else frames.runs
    if key is None or done.empty or "val_loss" not in done:
        return None
    names = list(dict.fromkeys(done["data"])) if "data" in frames.axes else [None]
    shown = base.spread_evenly(names, 6)
    others = [axis for axis in frames.axes if axis not in (key, "data")]
    lines = list(dict.fromkeys(_names(done, others)))
    kept = base.spread_evenly(lines, base.LINES)
    looks = {line: base.styles(len(lines))[lines.index(line)] for line in kept}
    figure, panels = base.grid(len(shown), 3, 1.9)
    for axes, data in zip(panels, shown, strict=True):
        part = done if data is None else done[done["data"] == data]
        _panel(axes, part, key, others, looks)
        if data is not None and len(shown) > 1:
            axes.set_title(f"data={data}")
    base.legend(figure, base.name_looks(panels[-1], list(looks.items())) if len(looks) > 1 else [])
    seeds = frames.runs["seed"].nunique()
    question = f"How much does the {'learning rate' if key == 'lr' else base.safe_text(key)} matter?"
    base.headline(figure, question, "validation part")
    base.note(
        figure, f"mean over {seeds} seeds; dots: runs; ring: the lowest", base.left_out(len(kept), len(lines), "lines")
    )
    return figure


def _names(runs: pd.DataFrame, axes: list[str]) -> list[str]:
    """Returns the name of the line of each run."""
    if not axes:
        return [""] * len(runs)
    made: dict[Any, str] = {}
    rows = list(runs[axes].itertuples(index=False, name=None))
    for row in dict.fromkeys(rows):  # in their order, in which letters without a font are numbered
        made[row] = " ".join(f"{a}={base.safe_text(base.plain(v))}" for a, v in zip(axes, row, strict=True))
    return [made[row] for row in rows]


def _panel(axes: Axes, runs: pd.DataFrame, key: str, others: list[str], looks: dict[str, dict[str, Any]]) -> None:
    scale = base.scale(key, runs[key])
    names = _names(runs, others)
    for name, look in looks.items():
        own = runs[[n == name for n in names]]
        if own.empty:
            continue
        means = own.groupby(key)["val_loss"].mean()
        x = [scale.at(base.plain(value)) for value in means.index]
        axes.plot(x, means.to_numpy(), **look, label="mean")
        every = [scale.at(base.plain(value)) for value in own[key]]
        dots = {"color": look["color"], "alpha": 0.6, "markersize": 3, "markeredgewidth": 0}
        axes.plot(every, own["val_loss"], ".", **dots, label="seeds")
        best = int(np.argmin(means.to_numpy()))
        axes.plot(x[best], means.iloc[best], "o", markersize=8, fillstyle="none", color=look["color"], label="best")
    scale.dress(axes, "x", 120)
    axes.set_ylabel("lowest validation\nloss (nats)")
