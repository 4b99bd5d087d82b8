"""Which offsets each head looks at: its attention by the distance from query to key, a heat map for each point."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

ROWS = 24  # heads in a panel
RANGE = 100.0  # the smallest share with a colour of its own is so many times below the largest


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means over the finished seeds and the explained texts: a row for each head, the first layer at the top, a
    column for each offset; -1 is the token before the query. What is farther away than the columns is not drawn."""
    if frames.heads.empty:
        return None
    found = [point for point in base.points(frames) if not point.rows(frames.heads).empty]
    if not found:
        return None
    figure, panels, left_out = base.point_panels(frames, found, 1.9, across=3 if len(found) % 3 == 0 else 4, bars=1)
    maps = {point: _map(point.rows(frames.heads)) for _, point in panels}
    top = max(float(values.max(axis=None)) for values in maps.values())
    low = min(float(values[values > 0].min(axis=None)) for values in maps.values() if (values > 0).any(axis=None))
    norm = LogNorm(max(low, top / RANGE), top) if top > 2 * low else Normalize(0.0, top)
    for axes, point in panels:
        values = maps[point]
        rows = base.spread_evenly(range(len(values)), ROWS)
        kept = values.iloc[rows]
        look = {"cmap": "cividis", "norm": norm}
        mesh = base.shade(axes, columns=values.columns, rows=range(len(kept)), values=kept, **look)
        axes.invert_yaxis()
        _name_layers(axes, [layer for layer, _ in kept.index])
        axes.set_xlabel("offset (tokens)")
        axes.set_ylabel("layer (one row for each head)" if base.leftmost(axes) else "")
    base.bar(figure, mesh, "attention (share)")
    cut = max(len(values) for values in maps.values()) > ROWS
    base.headline(figure, "Which offsets does each head look at?", "at the end of training, mean over the texts")
    base.note(figure, "-1: the token before the query", left_out, f"{ROWS} heads of a stack shown" if cut else "")
    return figure


def _map(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the mean share over runs: (layer, head) by offset."""
    shares = {
        key: np.mean(np.stack(group["offsets"].tolist()), axis=0) for key, group in rows.groupby(["layer", "head"])
    }
    reach = (len(next(iter(shares.values()))) - 1) // 2
    return pd.DataFrame.from_dict(shares, orient="index", columns=range(-reach, reach + 1)).sort_index()


def _name_layers(axes: Axes, layers: list[int]) -> None:
    """Writes each layer's number in the middle of its rows, as far as there is room, and a line between layers."""
    rows = pd.Series(range(len(layers))).groupby(layers)
    for row in rows.min().iloc[1:]:
        axes.axhline(row - 0.5, color="white", linewidth=0.5, label="layer")
    kept = base.spread_evenly(list(rows.mean().items()), 8)
    axes.set_yticks([middle for _, middle in kept], [str(layer) for layer, _ in kept])
