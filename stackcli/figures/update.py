"""Change of each layer's weights in a step, as a share of their size (G5), by step, a line for each layer."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

END = 0.02  # share of the peak learning rate
RULE = 1e-3  # Karpathy, notes of the Stanford course CS231n, "Ratio of weights:updates"


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws the median over a block's maps, as geometric mean over the finished seeds (or the first run that diverged
    if none finished). Far below the dashed line a layer hardly learns, far above it training is about to diverge."""
    table = _table(frames.layers)
    table, cut = _before_the_end(table, frames.curve, frames.runs)
    found = [point for point in base.points(frames) if not point.shown(table).empty]
    if not found:
        return None
    deep = any(point.depth > 1 for point in found)
    figure, panels, left_out = base.point_panels(frames, found, 1.75, across=3, bars=int(deep), sharey=True)
    for axes, point in panels:
        _panel(axes, point, point.shown(table))
        axes.set_ylabel("update / weight\n(share)" if base.leftmost(axes) else "")
        axes.set_xlabel("step (optimiser steps)" if base.across(axes) < base.ACROSS else "step (optimiser)")
    if deep:
        colours = ScalarMappable(Normalize(0, 1), base.ORDERED)
        base.bar(figure, colours, "relative depth, layer / depth (1: next to the output)")
    base.legend(figure, [(base.swatch(**DASHED), "0.001, a rule of thumb")])
    end = "without the last step, whose learning rate is nearly zero" if cut else ""
    base.headline(figure, "Does every layer learn at a useful rate?", "change of the weights in a step of training")
    base.note(figure, "median over the maps of a block", end, left_out)
    return figure


DASHED = {"color": base.GREY, "linestyle": base.DASHES[1], "linewidth": 0.9}


def _table(layers: pd.DataFrame) -> pd.DataFrame:
    """Returns `run`, `point`, `layer`, `step` and `update`, the median over the maps of a block if it is above zero."""
    if layers.empty or "update" not in layers:
        return pd.DataFrame()
    known = layers[layers["update"].notna()]
    table = known.groupby(["run", "point", "layer", "step"], sort=False)["update"].median().reset_index()
    return table[(table["update"] > 0) & np.isfinite(table["update"])]


def _before_the_end(table: pd.DataFrame, curve: pd.DataFrame, runs: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Returns the table without last steps whose learning rate is nearly zero, as they say nothing about the layers,
    and whether there were any."""
    if table.empty or curve.empty or "lr" not in curve:
        return table, False
    each = curve.groupby(["run", "point"])
    peak = each["lr"].transform("max")
    if "lr" in runs:  # the curve may lack the step at the peak
        peak = np.maximum(peak, curve["run"].map(runs.drop_duplicates("run").set_index("run")["lr"]).astype(float))
    spent = (curve["lr"] < END * peak) & (curve["step"] == each["step"].transform("max"))
    ends = curve.loc[spent, ["run", "point", "step"]].drop_duplicates()
    found = table.merge(ends, how="left", indicator=True)["_merge"].to_numpy() == "both"
    return table[~found], bool(found.any())


def _panel(axes: Axes, point: base.Point, rows: pd.DataFrame) -> None:
    means = base.mean_by(rows, "update", ["layer", "step"], geometric=True)
    for layer, line in means.groupby(level="layer"):
        steps = line.index.get_level_values("step").to_numpy(dtype=float)
        look = {"color": base.ORDERED(layer / point.depth), "linewidth": 1.0}
        axes.plot(steps, np.asarray(line), marker="o", markersize=2.0, **look, label=f"layer {layer}")
    axes.axhline(RULE, **DASHED, label="rule")
    axes.set_xscale("log")
    axes.set_yscale("log")
