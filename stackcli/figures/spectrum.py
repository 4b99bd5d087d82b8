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
    shown = base.spread_evenly(found, base.LINES)
    figure, ((axes,),) = base.new(base.COLUMN, 2.2, 1, 1)
    looks = base.styles(len(shown))
    for (_, own), look in zip(shown, looks, strict=True):
        sizes = _values(own)
        axes.plot(range(1, len(sizes) + 1), sizes, **{**look, "marker": ""}, label="values")
    axes.set_yscale("log")
    axes.set_xlabel("singular value (index)")
    axes.set_ylabel("size (share of the largest)")
    names = [point.key or "this run" for point, _ in shown]
    entries = [(base.swatch(**{**look, "marker": ""}), name) for name, look in zip(names, looks, strict=True)]
    base.legend(figure, entries if len(entries) > 1 else [])
    base.note(figure, "centred tables, first seed", base.left_out(len(shown), len(found), "points"))
    return figure


def _values(rows: pd.DataFrame) -> np.ndarray:
    """Returns the singular values of one run's table over the largest, without rounding errors."""
    table = rows["values"].iloc[0]
    sizes = np.linalg.svd(table - table.mean(0), compute_uv=False)
    share = sizes / max(sizes[0], 1e-300)
    return np.asarray(share[share > LEAST])
