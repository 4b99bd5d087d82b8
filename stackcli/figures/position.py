"""Position tables as drawn and as trained: heat maps of position (or offset) by dimension, and cosines of positions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

POINTS = 4
TABLES = 4  # at most so many of one point: keys and values of the first and the last layer
APART = 3.0  # tables whose sizes differ by a larger factor have separate scales
CMAPS = {"value": "RdBu_r", "cosine": "PuOr_r"}


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws the first finished seed of each point. Tables whose sizes differ a lot are drawn in units of their own
    largest value, which the title gives; else all share one symmetric colour scale."""
    if frames.position.empty:
        return None
    vectors = frames.position[~frames.position["tensor"].astype(str).str.startswith("bias")]  # `bias` draws the others
    frames = replace(frames, position_tables=lambda: vectors)
    found = [point for point in base.points(frames) if not point.rows(frames.position).empty]
    shown = base.spread_evenly(found, POINTS)
    tables = [table for point in shown for table in _tables(point, frames.position)]
    if not tables:
        return None
    tops = [_top(table) for _, table in tables]
    apart = max(tops) > APART * min(tops)
    if apart:
        tables = [
            (f"{title}: ±{base.number(top)}", table / top) for (title, table), top in zip(tables, tops, strict=True)
        ]
    norm = Normalize(-1, 1) if apart else Normalize(-max(tops), max(tops))
    pairs = 1 if len(tables) == 1 else 2
    rows = -(-len(tables) // pairs)
    figure, panels = base.new(
        base.FULL, 0.3 + (2.2 if pairs == 1 else 1.75) * rows, rows, 2 * pairs, width_ratios=[1.25, 1] * pairs
    )
    cells = panels.reshape(-1, 2)
    for (left, right), (title, table) in zip(cells, tables, strict=False):
        what = "position (tokens)" if table.index.name == "table" else "offset (tokens)"
        mesh = _heat(left, "value", table.columns, table.index, table.to_numpy(), norm)
        left.set(xlabel="dimension (index)", ylabel=what)
        left.set_title(base.fit(title, 280 / pairs, lines=3), loc="left")
        cosine = _heat(right, "cosine", table.index, table.index, _cosines(table.to_numpy()), Normalize(-1, 1))
        right.set(xlabel=what, ylabel=what)
    for spare in cells[len(tables) :].flat:
        spare.remove()
    base.bar(figure, cosine, "cosine of two positions (−1 to 1)")
    unit = "share of the largest of its table" if apart else "embedding units"
    base.bar(figure, mesh, f"value ({unit})", extend="both")
    base.note(figure, base.left_out(len(shown), len(found), "points"))
    return figure


def _top(table: pd.DataFrame) -> float:
    """Returns the size below which nearly all values lie, to two digits; 1 if all are zero."""
    values = np.abs(base.finite(table.to_numpy().ravel()))
    return float(f"{np.percentile(values, 99.5):.2g}") if len(values) and values.max() else 1.0


def _tables(point: base.Point, frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Returns title and table (position or offset by dimension) of each tensor of a point's first seed."""
    rows = point.rows(frame)
    seed = rows["seed"].min()
    rows = rows[rows["seed"] == seed]
    out = []
    for tensor in _ends(list(dict.fromkeys(rows["tensor"]))):
        row = rows[rows["tensor"] == tensor].iloc[0]
        table = pd.DataFrame(row["values"], index=row["at"]).sort_index()
        table.index.name = "table" if tensor.startswith("table") else "offset"
        name = "" if tensor == "table" else tensor.removeprefix("table ")
        out.append((", ".join(filter(None, [point.key, name, f"seed {seed}"])), table))
    return out


def _ends(tensors: list[str]) -> list[str]:
    """Returns the first and the last of each kind of many tensors (keys 1, values 1, keys 2, ...)."""
    if len(tensors) <= TABLES:
        return tensors
    kinds: dict[str, list[str]] = {}
    for tensor in tensors:
        kinds.setdefault(tensor.rpartition(" ")[0], []).append(tensor)
    chosen = [tensor for kind in kinds.values() for tensor in base.spread_evenly(kind, 2)]
    return base.spread_evenly(chosen, TABLES)


def _heat(axes: Axes, what: str, columns: Any, rows: Any, values: Any, norm: Normalize) -> Any:
    mesh = base.shade(axes, columns=columns, rows=rows, values=values, norm=norm, cmap=CMAPS[what])
    axes.invert_yaxis()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    return mesh


def _cosines(table: Any) -> Any:
    """Returns the cosine of every two rows; NaN where a row is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    return unit @ unit.T
