"""Similarity of the layers' outputs to one another after training (linear CKA), a heat map for each point."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means over the finished seeds. Layer 0 is what enters block 1; layers in a bright square hardly differ."""
    if frames.stack.empty or "cka" not in frames.stack:
        return None
    maps = {point: _map(point.rows(frames.stack)) for point in base.points(frames)}
    found = [point for point, grid in maps.items() if grid is not None]
    if not found:
        return None
    figure, panels, left_out = base.point_panels(frames, found, 1.6, bars=1)
    for axes, point in panels:
        layers = range(len(maps[point]))
        mesh = base.shade(axes, columns=layers, rows=layers, values=maps[point], cmap="cividis", vmin=0.0, vmax=1.0)
        base.write_cells(axes, layers, layers, maps[point], 0.45)
        ticks = base.counts(len(layers) - 1, first=0)
        axes.set_xticks(ticks)
        axes.set_yticks(ticks)
        axes.set_xlabel("layer (block)")
        axes.set_ylabel("layer (block)" if base.leftmost(axes) else "")
    base.bar(figure, mesh, "CKA of the outputs of two layers (0 to 1)")
    base.headline(figure, "Which layers leave the tokens almost unchanged?", "at the end of training")
    base.note(figure, "0: what enters block 1; bright squares: layers whose outputs hardly differ", left_out)
    return figure


def _map(rows: pd.DataFrame) -> Any:
    """Returns the mean over runs of the similarity of every two layers, (L + 1, L + 1); None if not measured."""
    if rows.empty:
        return None
    squares = []
    rows = rows.sort_values(["run", "layer"])
    ends = np.flatnonzero(rows["run"].to_numpy()[1:] != rows["run"].to_numpy()[:-1]) + 1
    for run in np.split(rows["cka"].to_numpy(), ends):
        cells = [cell for cell in run if isinstance(cell, list | tuple | np.ndarray)]
        if len(cells) > 1 and all(len(cell) == len(cells) for cell in cells):
            squares.append(np.array([list(cell) for cell in cells], dtype=float))
    squares = [square for square in squares if square.shape == squares[0].shape and np.isfinite(square).any()]
    return np.mean(squares, axis=0) if squares else None
