"""Bias that a trained relative encoding adds to the scores, by offset, a line for each head."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws a panel for each point whose encoding has a bias by offset, from its first finished seed."""
    rows = frames.position
    if rows.empty:
        return None
    rows = rows[rows["tensor"].astype(str).str.startswith("bias")]
    found = [(point, own) for point in base.points(frames) if len(own := point.rows(rows))]
    if not found:
        return None
    rows_of = dict(found)
    figure, panels, left_out = base.point_panels(frames, [point for point, _ in found], 1.7, across=3)
    for axes, point in panels:
        _panel(axes, rows_of[point])
    base.headline(figure, "Which offsets does the encoding favour?", "at the end of training, first finished seed")
    base.note(figure, "lines: heads, dark to light; a gap: offsets that the head does not see", left_out)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    at, values = rows["at"].iloc[0], rows["values"].iloc[0]
    order, heads = np.argsort(at), values.shape[1]
    for head, look in enumerate(base.styles(heads, ordered=True)):
        axes.plot(at[order], values[order, head], color=look["color"], linewidth=1.0, label=f"head {head + 1}")
    axes.axvline(0, color=base.GREY, linewidth=0.6, label="zero")
    axes.set_xlabel("offset (key minus query, tokens)")
    axes.set_ylabel("bias of the score\n(nats)")
    axes.locator_params(axis="x", nbins=5)
    if not np.isfinite(axes.dataLim.ymax):
        axes.set_ylim(-1, 1)
