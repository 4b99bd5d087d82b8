"""Gradient norm (G1) of each block's last map as a heat map of layer against step, a panel for each depth."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws geometric means over the finished seeds; if none finished, the first run that diverged, up to a cross."""
    table = base.last_map(frames.layers)
    if "g1" not in table:
        return None
    found = [point for point in base.points(frames) if not point.shown(table).empty]
    every = {point: _map(point.shown(table)) for point in found}
    values = base.finite(np.concatenate([grid.to_numpy().ravel() for grid in every.values()])) if every else []
    if not len(values):
        return None
    figure, panels, left_out = base.point_panels(frames, found, 1.75, across=3, bars=1)
    maps = {point: every[point] for _, point in panels}
    values = base.finite(np.concatenate([grid.to_numpy().ravel() for grid in maps.values()]))
    norm = LogNorm(min(values) / 1.0001, max(values) * 1.0001) if len(values) else LogNorm(1e-3, 1)
    for axes, point in panels:
        grid = maps[point]
        mesh = base.shade(
            axes,
            columns=range(len(grid.columns)),
            rows=grid.index,
            values=grid,
            norm=norm,
            cmap="cividis",
        )
        _dress(axes, frames, point, grid)
    names = "/".join(sorted(table["tensor"].unique(), reverse=True))
    base.bar(figure, mesh, f"G1, L2 norm of the gradient of {names} (nats)")
    base.headline(figure, "How does the gradient of each layer change during training?")
    grey = any(grid.isna().any(axis=None) for grid in maps.values())
    base.note(
        figure,
        left_out,
        "×: the loss was no longer finite" if any(_diverged_step(frames, point) is not None for point in maps) else "",
        "grey: zero, or no longer finite" if grey else "",
    )
    return figure


def _map(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns layers by steps."""
    return (
        base.mean_by(rows, "g1", ["layer", "step"], geometric=True)
        .unstack("step")
        .reindex(index=sorted(rows["layer"].unique()), columns=sorted(rows["step"].unique()))
    )


def _diverged_step(frames: Frames, point: base.Point) -> float | None:
    """Returns the step at which the drawn run diverged; None if finished runs are drawn."""
    if point.done or not point.broken:
        return None
    row = frames.runs[(frames.runs["point"] == point.key) & (frames.runs["run"] == point.broken[0][0])].iloc[0]
    return base.plain(row.get("diverged_step"))  # type: ignore[no-any-return]


def _dress(axes: Axes, frames: Frames, point: base.Point, grid: pd.DataFrame) -> None:
    """Sets title and ticks (each column is one measured step), and draws a cross where the run diverged."""
    steps = list(grid.columns)
    places, texts = list(range(len(steps))), [str(step) for step in steps]
    if (diverged := _diverged_step(frames, point)) is not None:
        places.append(len(steps))
        texts.append(str(diverged))
        axes.set_xlim(-0.5, len(steps) + 0.5)
        axes.plot([len(steps)] * len(grid.index), grid.index, "x", color="black", markersize=3.5, label="diverged")
    axes.set_xticks(places, labels=texts)
    layers = base.counts(int(max(grid.index)))
    axes.set_yticks(layers, labels=[str(layer) for layer in layers])
    axes.set_xlabel("step (optimiser steps)" if base.across(axes) < base.ACROSS else "step (optimiser)")
    axes.set_ylabel("layer (block)" if base.leftmost(axes) else "")
