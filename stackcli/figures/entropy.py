"""Entropy of the attention of each head in each layer at the end of training, a heat map for each point."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

PANELS = 8
LAYERS, HEADS = 8, 4  # cells of larger maps have no room for a number
DARK = 0.45  # below this share of the colour scale numbers are white


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means over the finished seeds at each run's last measurement, or the first run that diverged if none
    finished. Zero: the head attends to one token only; even attention has the logarithm of the number of tokens."""
    if frames.layers.empty or "entropy" not in frames.layers:
        return None
    table = frames.layers[frames.layers["entropy"].notna()]
    found = [point for point in base.points(frames) if not point.shown(table).empty]
    if not found:
        return None
    shown, across = base.facets(frames.axes, found, PANELS, 4)
    maps = {point: _map(point.shown(table)) for point in shown}
    top = max(float(grid.max(axis=None)) for grid in maps.values())
    figure, panels = base.grid(len(maps), across, 1.6)
    for axes, (point, grid) in zip(panels, maps.items(), strict=True):
        look = {"cmap": "cividis", "vmin": 0.0, "vmax": top or 1.0}
        mesh = base.shade(axes, columns=grid.columns, rows=grid.index, values=grid, **look)
        _write(axes, grid, top)
        axes.set_xticks(list(grid.columns))
        axes.set_yticks(base.counts(int(grid.index.max())))
        axes.set_xlabel("head (index)")
        axes.set_ylabel("layer (block)")
        axes.set_title(point.heading(400 / base.across(axes) - 20 if base.across(axes) > 1 else 150))
    base.bar(figure, mesh, "attention entropy (nats)")
    base.note(figure, base.left_out(len(maps), len(found), "points"))
    return figure


def _write(axes: Axes, grid: pd.DataFrame, top: float) -> None:
    """Writes the number in each cell if there is room, as colours hide small differences."""
    if len(grid.index) > LAYERS or len(grid.columns) > HEADS:
        return
    for (layer, head), value in grid.stack().items():
        ink = "white" if value < DARK * top else "black"
        axes.text(head, layer, f"{value:.2f}", ha="center", va="center", size=base.SIZE, color=ink)


def _map(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns layers by heads, at each run's last measurement."""
    rows = rows[rows["step"] == rows.groupby("run")["step"].transform("max")]
    rows = rows.assign(head=rows["tensor"].str.removeprefix("head").astype(int))
    return base.mean_by(rows, "entropy", ["layer", "head"]).unstack("head").sort_index()
