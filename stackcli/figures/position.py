"""Position tables after training: how far each position moved, the change or the values, and cosines of positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

ROWS = 4  # tables drawn
TABLES = 4  # of one point: keys and values of the first and the last layer
DIRECTIONS = 12  # leading directions of the change that are drawn
START = " at initialisation"  # ends the name of a table before the first step
RARE = 0.05  # share of the texts; positions that fewer reach are called rare
COSINE: dict[str, Any] = {"cmap": "cividis", "norm": Normalize(-1, 1)}  # grey prints keep the sign: it is the lightness


@dataclass(frozen=True)
class Table:
    """A trained table of one run: `at` (n,) positions or offsets, `end` (n, dims) and, if it was trained, `start` of
    the same shape; `reach` (n,): the share of training texts that have the position or offset, if known."""

    title: str
    unit: str
    at: Any
    end: Any
    start: Any
    reach: Any


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws the first finished seed of each point, a row for each table. Left: the size of each position's vector, how
    far it moved in training, and the share of texts that reach it. Then the change, along its leading directions (or
    the values of a table that has not changed), and the cosines of positions before and after."""
    if frames.position.empty:
        return None
    found = [point for point in base.points(frames) if not point.rows(frames.position).empty]
    every = [table for point in found for table in _tables(point, frames.position)]
    if not every:
        return None
    shown = base.spread_evenly(every, ROWS)
    trained = any(table.start is not None for table in shown)
    columns = 4 if trained else 3
    figure, panels = base.new(base.FULL, 0.55 + 1.45 * len(shown), len(shown), columns)
    meshes: list[list[Any]] = [[], []]
    for row, table in zip(panels, shown, strict=True):
        _sizes(row[0], table)
        row[0].set_title(base.fit(table.title, 92, lines=3), loc="left")
        meshes[0].append(_change(row[1], table))
        first = row[3 if trained and table.start is None else 2]
        for axes, rows in zip(row[2:], [table.start, table.end][2 - len(row[2:]) :], strict=True):
            if rows is None:
                axes.remove()
            else:
                meshes[1].append(_heat(axes, table.at, table.at, _cosines(rows), **COSINE))
                axes.set(xlabel=table.unit, ylabel=table.unit if axes is first else "")
    _name_columns(panels[0], shown[0])
    beside: dict[str, Any] = {"location": "right", "fraction": 0.06, "pad": 0.02}
    for i, mesh in enumerate(meshes[0]):
        figure.colorbar(mesh, ax=panels[i, 1], label="embedding (units)", **beside)
    cells = [axes for axes in panels[:, 2:].flat if axes.figure is not None]
    figure.colorbar(meshes[1][0], ax=cells, label="cosine of two positions (−1 to 1)", **beside, aspect=40)
    base.legend(figure, _entries(shown))
    base.headline(figure, "What did training change in the position table?", "first finished seed of each point")
    base.note(figure, *_sentences(shown[0]), base.left_out(len(shown), len(every), "tables"))
    return figure


def _tables(point: base.Point, frame: pd.DataFrame) -> list[Table]:
    """Returns the trained tables of a point's first seed, without the biases, which `bias` draws."""
    rows = point.rows(frame)
    rows = rows[rows["seed"] == rows["seed"].min()]
    rows = {str(row["tensor"]): row for row in rows.to_dict("records")}
    names = [name for name in rows if not name.startswith("bias") and not name.endswith(START)]
    return [_table(point, name, rows[name], rows.get(name + START)) for name in _ends(names)]


def _table(point: base.Point, name: str, row: dict[str, Any], before: dict[str, Any] | None) -> Table:
    order = np.argsort(row["at"])
    start: Any = None if before is None or len(before["at"]) != len(row["at"]) else before["values"][order]
    if start is not None and np.array_equal(start, row["values"][order]):
        start = None
    reach = None if before is None else before.get("reach")
    kept = "" if name == "table" else name.removeprefix("table ")
    title = ", ".join(filter(None, [point.key, kept, f"seed {row['seed']}"]))
    known = np.asarray(reach)[order] if isinstance(reach, np.ndarray) and len(reach) == len(order) else None
    unit = "position (tokens)" if name.startswith("table") else "offset (tokens)"
    return Table(title, unit, row["at"][order], row["values"][order], start, known)


def _ends(tensors: list[str]) -> list[str]:
    """Returns the first and the last of each kind of many tensors (keys 1, values 1, keys 2, ...)."""
    if len(tensors) <= TABLES:
        return tensors
    kinds: dict[str, list[str]] = {}
    for tensor in tensors:
        kinds.setdefault(tensor.rpartition(" ")[0], []).append(tensor)
    chosen = [tensor for kind in kinds.values() for tensor in base.spread_evenly(kind, 2)]
    return base.spread_evenly(chosen, TABLES)


SIZE: dict[str, Any] = {"color": "0.55", "linestyle": base.DASHES[1], "linewidth": 1.0}
MOVED: dict[str, Any] = {"color": "black", "linestyle": "-", "linewidth": 1.0}
REACH: dict[str, Any] = {"color": "0.88", "linewidth": 0}


def _sizes(axes: Axes, table: Table) -> None:
    """Draws the size of each vector (before training, if it is known), how far it moved, and how often it was seen."""
    size = np.linalg.norm(table.end if table.start is None else table.start, axis=1)
    axes.plot(table.at, size, **SIZE, label="size")
    top = size.max(initial=0.0)
    if table.start is not None:
        moved = np.linalg.norm(table.end - table.start, axis=1)
        axes.plot(table.at, moved, **MOVED, label="moved")
        top = max(top, moved.max(initial=0.0))
    if table.reach is not None:
        axes.fill_between(table.at, 0, table.reach * 1.08 * top, **REACH, label="reach", zorder=0)
    axes.set_ylim(0, 1.08 * top if np.isfinite(top) and top > 0 else 1.0)
    axes.set(xlabel=table.unit, ylabel="L2 norm\n(embedding units)")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _entries(tables: Sequence[Table]) -> list[tuple[Any, str]]:
    before = any(table.start is not None for table in tables)
    entries = [(base.swatch(**SIZE), "size of the vector" + (" at initialisation" if before else ""))]
    entries += [(base.swatch(**MOVED), "how far it moved")] if before else []
    seen = any(table.reach is not None for table in tables)
    wide = {"color": REACH["color"], "linewidth": 6}
    return entries + ([(base.swatch(**wide), "share of training texts that reach it (top: all)")] if seen else [])


def _change(axes: Axes, table: Table) -> Any:
    """Draws the change along its leading directions, or the values of a table that has not changed."""
    values = table.end
    if table.start is not None:
        change = np.nan_to_num(table.end - table.start)
        left, sizes, _ = np.linalg.svd(change, full_matrices=False)
        values = (left * sizes)[:, :DIRECTIONS]
    top = _top(values)
    columns = range(1, values.shape[1] + 1) if table.start is not None else range(values.shape[1])
    mesh = _heat(axes, columns, table.at, values, cmap="cividis", norm=Normalize(-top, top))
    axes.set(xlabel="direction (index)" if table.start is not None else "dimension (index)", ylabel=table.unit)
    return mesh


def _name_columns(row: Sequence[Axes], table: Table) -> None:
    """Writes what the panels of the first row show; the name of the table is the title of the first."""
    row[1].set_title("change by direction" if table.start is not None else "values", loc="left")
    for axes, words in zip(row[2:], ["before", "after"][2 - len(row[2:]) :], strict=True):
        if axes.figure is not None:
            axes.set_title(f"cosines {words}", loc="left")


def _top(values: Any) -> float:
    """Returns the size below which nearly all values lie; 1 if all are zero."""
    sizes = np.abs(base.finite(np.asarray(values).ravel()))
    return float(np.percentile(sizes, 99.5)) if len(sizes) and np.percentile(sizes, 99.5) > 0 else 1.0


def _heat(axes: Axes, columns: Any, rows: Any, values: Any, **look: Any) -> Any:
    mesh = base.shade(axes, columns=columns, rows=rows, values=values, **look)
    axes.invert_yaxis()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, integer=True))
    return mesh


def _cosines(table: Any) -> Any:
    """Returns the cosine of every two rows; NaN where a row is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    return unit @ unit.T


def _sentences(table: Table) -> list[str]:
    """Says how far rarely and often reached positions moved, as a share of their size."""
    if table.start is None or table.reach is None:
        return []
    size = np.linalg.norm(table.start, axis=1)
    share = np.linalg.norm(table.end - table.start, axis=1) / np.where(size > 0, size, np.nan)
    rare = table.reach < RARE
    if not rare.any() or rare.all() or not np.isfinite(share).all():
        return [f"{table.title}: the vectors moved by {100 * np.nanmean(share):.0f} % of their size"]
    word = "positions" if table.unit.startswith("position") else "offsets"
    first = int(np.abs(table.at)[rare].min())
    return [
        f"{table.title}: {word} from {first} on, which fewer than {100 * RARE:.0f} % of the training texts reach, "
        f"moved by {100 * share[rare].mean():.0f} % of their size, the others by {100 * share[~rare].mean():.0f} %"
    ]
