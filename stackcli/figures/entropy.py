"""Entropy of the attention of each head in each layer at the end of training, a heat map for each point."""

from collections.abc import Collection

import pandas as pd
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

DARK = 0.45  # below this share of the colour scale numbers are white
RANGE = 0.02  # nats; a smaller range of entropies is not drawn larger


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means over the finished seeds at each run's last measurement, or the first run that diverged if none
    finished. Zero: the head attends to one token only; even attention has the logarithm of the number of tokens. The
    colours span the values found."""
    if frames.layers.empty or "entropy" not in frames.layers:
        return None
    table = frames.layers[frames.layers["entropy"].notna()]
    found = [point for point in base.points(frames) if not point.shown(table).empty]
    if not found:
        return None
    figure, panels, left_out = base.point_panels(frames, found, 1.6, bars=1)
    maps = {point: _map(point.shown(table)) for _, point in panels}
    low = min(float(grid.min(axis=None)) for grid in maps.values())
    top = max(*(float(grid.max(axis=None)) for grid in maps.values()), low + RANGE)
    for axes, point in panels:
        grid = maps[point]
        look = {"cmap": "cividis", "vmin": low, "vmax": top}
        mesh = base.shade(axes, columns=grid.columns, rows=grid.index, values=grid, **look)
        base.write_cells(axes, grid.columns, grid.index, grid, low + DARK * (top - low))
        axes.set_xticks(list(grid.columns))
        axes.set_yticks(base.counts(int(grid.index.max())))
        axes.set_xlabel("head (index)")
        axes.set_ylabel("layer (block)" if base.leftmost(axes) else "")
    base.bar(figure, mesh, "attention entropy (nats)")
    base.headline(figure, "Is attention focused or spread evenly?", _when(table, maps))
    base.note(figure, "0: all attention on one token", left_out)
    return figure


def _when(table: pd.DataFrame, points: Collection[base.Point]) -> str:
    """Says when the drawn numbers were measured."""
    trained = any((point.shown(table)["step"] > 0).any() for point in points)
    return "at the end of training" if trained else "at initialisation"


def _map(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns layers by heads, both from 1, at each run's last measurement."""
    rows = rows[rows["step"] == rows.groupby("run")["step"].transform("max")]
    rows = rows.assign(head=rows["tensor"].str.removeprefix("head").astype(int) + 1)
    return base.mean_by(rows, "entropy", ["layer", "head"]).unstack("head").sort_index()
