"""Signal (RMS) and gradient (G4) at each block's output before training, by relative layer, a line for each depth."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

ROWS = {
    "signal": "signal, RMS of the\noutput (token units)",
    "g4": "G4, L2 norm of the\ngradient there (nats)",
}
MARKS = 6  # at most so many markers on a line


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws geometric means over the measured seeds, also of runs that diverged later; many lines are split into
    columns of panels, one for each choice of the axes other than depth."""
    table = _table(frames.layers)
    columns = [column for column in ROWS if column in table and len(base.finite(table[column]))]
    lines = base.lines(frames)
    if not columns or not lines.points:
        return None
    parts = lines.split()
    wide = base.FULL if len(parts) > 1 else base.COLUMN
    figure, panels = base.new(wide, 1.75 * len(columns), len(columns), len(parts), sharex=True, sharey="row")
    relative = len({point.depth for point in lines.points}) > 1
    for row, column in zip(panels, columns, strict=True):
        row[0].set_ylabel(ROWS[column])
        for axes, part in zip(row, parts, strict=True):
            axes.set_yscale("log")
            _panel(axes, table, part, column, relative=relative)
    for axes, part in zip(panels[0], parts, strict=True):
        axes.set_title(base.fit(part.title, 400 / len(parts)))
    for axes in panels[-1]:
        _below(axes, max(point.depth for point in lines.points), relative=relative)
    parts[0].explain(figure, axes=list(panels[:, -1]))
    base.headline(figure, "Do signal and gradient keep their size through the stack?", "at initialisation")
    base.note(figure, base.left_out(len(lines.points), lines.total, "points"))
    return figure


def _table(layers: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the blocks at step 0."""
    return layers if layers.empty else layers[(layers["step"] == 0) & (layers["tensor"] == "block")]


def _panel(axes: Axes, table: pd.DataFrame, part: base.Lines, column: str, *, relative: bool) -> None:
    drawn = False
    for point in part.points:
        rows = point.rows(table, [*point.done, *(run for run, _ in point.broken)])
        profile = base.mean_by(rows, column, ["layer"], geometric=True) if len(rows) else pd.Series(dtype=float)
        if not len(profile):
            continue
        look: dict[str, Any] = {**part.style(point), "markevery": -(-len(profile) // MARKS), "label": point.key}
        at = profile.index.to_numpy(dtype=float) / (point.depth if relative else 1)
        axes.plot(at, profile.to_numpy(dtype=float), **look)
        drawn = True
    if not drawn:
        base.blank(axes, "zero, or not measured")


def _below(axes: Axes, deepest: int, *, relative: bool) -> None:
    """Labels the x axis of a lowest panel."""
    if relative:
        axes.set_xlabel("relative depth,\nlayer / depth (1: output)")
        axes.set_xlim(0, 1.03)
    else:
        axes.set_xlabel("layer (block, 1: next to the input)")
        axes.set_xticks(base.counts(deepest))
        axes.set_xlim(0.7, deepest + 0.3)
