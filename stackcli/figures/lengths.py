"""Beyond the trained length: loss above that of the data's source (or accuracy) on test items of other lengths."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws a panel for each data set that has test parts of several lengths, and a line for each point."""
    rows = _table(frames)
    if rows.empty:
        return None
    names = list(dict.fromkeys(rows["data"]))
    shown = base.spread_evenly(names, 6)
    figure, panels = base.grid(len(shown), 3, 1.9)
    points = list(dict.fromkeys(rows["line"]))
    kept = base.spread_evenly(points, base.LINES)
    looks = {point: base.styles(len(points))[points.index(point)] for point in kept}
    for axes, data in zip(panels, shown, strict=True):
        _panel(axes, rows[rows["data"] == data], looks, str(data), single=len(shown) == 1)
    base.legend(figure, base.name_looks(panels[-1], list(looks.items())) if len(looks) > 1 else [])
    base.headline(figure, "Does the stack work beyond the trained length?", "test items of other lengths")
    seeds = frames.runs["seed"].nunique()
    base.note(
        figure,
        base.describe_mean(seeds),
        "dashed: the trained length",
        base.left_out(len(kept), len(points), "points"),
        base.left_out(len(shown), len(names), "data sets"),
    )
    return figure


def _table(frames: Frames) -> pd.DataFrame:
    """Returns `data`, `line` (the point without its data), `seed`, `length`, `trained`, `value` and `unit`, a row for
    each test part."""
    out = []
    if "by_length" not in frames.runs:
        return pd.DataFrame()
    for run in base.finished_runs(frames.runs).to_dict("records"):
        facts: dict[str, Any] = dict(frames.facts.get(str(run.get("facts", run["data"])), {}))
        entropy = facts.get("entropy")
        cells = run["by_length"] if isinstance(run["by_length"], list | tuple) else ()
        others = [f"{axis}={base.safe_text(base.plain(run[axis]))}" for axis in frames.axes if axis != "data"]
        for length, loss, acc, *source in cells:
            excess = float(loss) - float(source[0]) if source else math.nan
            value = excess if entropy else float(acc)
            unit = "excess loss (nats a token)" if entropy else "accuracy (share)"
            out.append(
                {
                    "data": run["data"],
                    "line": " ".join(others) or "this run",
                    "seed": run["seed"],
                    "length": int(length),
                    "trained": base.plain(run.get("data.train_len")),
                    "value": value,
                    "unit": unit,
                }
            )
    return pd.DataFrame(out)


def _panel(axes: Axes, rows: pd.DataFrame, looks: dict[str, dict[str, Any]], data: str, *, single: bool) -> None:
    for i, (point, look) in enumerate(looks.items()):
        own = rows[rows["line"] == point]
        found = [(length, *base.interval(group["value"])) for length, group in own.groupby("length")]
        if not found:
            continue
        x, mean, low, high = np.array(found, dtype=float).T
        axes.plot(x, mean, **look, label="mean")
        known = np.isfinite(low)
        at = x[known] * (1 + 0.015 * (i - len(looks) / 2))
        axes.vlines(at, low[known], high[known], color=look["color"], linewidth=0.8, label="interval")
    axes.set_xscale("log", base=2)
    ticks = sorted(set(rows["length"]))
    axes.set_xticks(ticks, labels=[str(t) for t in ticks])
    axes.set_xticks([], minor=True)
    trained = rows["trained"].dropna()
    if len(trained):
        axes.axvline(float(trained.iloc[0]), color=base.GREY, linestyle="--", linewidth=0.8, label="trained")
    axes.set_xlabel("test length (tokens)" if single else f"test length (tokens), data={data}")
    axes.set_ylabel(str(rows["unit"].iloc[0]))
    if rows["unit"].iloc[0].startswith("accuracy"):
        axes.set_ylim(-0.03, 1.03)
    if not single:
        axes.set_title(f"data={data}")
