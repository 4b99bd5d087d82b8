"""Singular values of the trained position tables, a line for each point: how many directions the positions use."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

LEAST = 1e-6  # share of the largest; smaller singular values are rounding errors


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws centred tables of absolute positions, of each point's first finished seed."""
    rows = frames.position
    if rows.empty:
        return None
    rows = rows[rows["tensor"].astype(str) == "table"]
    found = [(point, own) for point in base.points(frames) if len(own := point.rows(rows))]
    if not found:
        return None
    own, lines = dict(found), base.lines(frames)
    parts = [part for part in lines.split() if any(point in own for point in part.points)]
    figure, panels = base.grid(len(parts), 3, 2.2 if len(parts) == 1 else 1.8, sharex=True, sharey=True)
    for axes, part in zip(panels, parts, strict=True):
        for point in (point for point in part.points if point in own):
            sizes = _values(own[point])
            look = {**part.style(point), "markevery": max(1, len(sizes) // 5), "markersize": 3, "linewidth": 1.0}
            axes.plot(range(1, len(sizes) + 1), sizes, **look, label=point.key)
        axes.set_title(base.fit(part.title, 150))
        axes.set_yscale("log")
        axes.set_xlabel("singular value (index)")
        axes.set_ylabel("size (share of the largest)" if base.leftmost(axes) else "")
        axes.tick_params(labelbottom=True)
    parts[0].explain(figure, axes=panels)
    base.headline(figure, "How many directions does the position table use?", "at the end of training, first seed")
    base.note(figure, "centred tables", *lines.remarks[:1])
    return figure


def _values(rows: pd.DataFrame) -> np.ndarray:
    """Returns the singular values of one run's table over the largest, without rounding errors."""
    table = rows["values"].iloc[0]
    sizes = np.linalg.svd(table - table.mean(0), compute_uv=False)
    share = sizes / max(sizes[0], 1e-300)
    return np.asarray(share[share > LEAST])
