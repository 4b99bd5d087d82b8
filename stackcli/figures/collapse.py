"""Token cosine, rank residual and attention entropy by layer at the end of training, a line for each depth."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

PANELS = {
    "cosine": "token cosine\n(−1 to 1)",
    "rank": "rank residual\n(share of |X|)",
    "entropy": "attention entropy\n(nats)",
}
SHARED: dict[str, Any] = {"sharex": True, "sharey": "col"}

MARKS = 16  # at most so many markers on a line


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means over heads and finished seeds; a run that diverged is a thin line, at its last measurement. Many
    lines are split into rows of panels, one for each choice of the axes other than depth."""
    if frames.layers.empty:
        return None
    columns = [column for column in PANELS if column in frames.layers and len(base.finite(frames.layers[column]))]
    lines = base.lines(frames)
    if not columns or not lines.points:
        return None
    size = {1: base.COLUMN}.get(len(columns), base.FULL)
    parts = lines.split()
    figure, panels = base.new(size, 2.2 if len(parts) == 1 else 1.75 * len(parts), len(parts), len(columns), **SHARED)
    crosses = False
    for row, part in zip(panels, parts, strict=True):
        if part.title:
            row[0].set_title(base.fit(part.title, size * 36), loc="left")
        for axes, column in zip(row, columns, strict=True):
            axes.set_ylabel(PANELS[column])
            if column == "rank":
                axes.set_yscale("log")
            axes.set_xticks(base.counts(max(point.depth for point in lines.points)))
            crosses |= _panel(axes, frames.layers, part, column)
    for axes in panels[-1]:
        axes.set_xlabel("layer (block)")
    entry = [(base.swatch(color=base.GREY, marker="x", linewidth=0.7), "a run that diverged")] if crosses else []
    parts[0].explain(figure, entry, axes=list(panels[:, -1]))
    trained = bool((frames.layers["step"] > 0).any())
    base.headline(
        figure, "Do the tokens become alike with depth?", "at the end of training" if trained else "at initialisation"
    )
    base.note(figure, *lines.remarks)
    return figure


def _panel(axes: Axes, layers: pd.DataFrame, lines: base.Lines, column: str) -> bool:
    """Draws the profile of every point; returns whether a run had diverged."""
    crosses = False
    for point in lines.points:
        style = lines.style(point)
        _plot(axes, _profile(point.rows(layers), column), **style, label=point.key)
        for run, status in point.broken:
            if status == "diverged":
                look = {"linewidth": 0.7, "marker": "x", "markersize": 3.5, "linestyle": style["linestyle"]}
                single = _profile(point.rows(layers, [run]), column)
                crosses |= _plot(axes, single, color=style["color"], **look, label=f"{point.key} diverged")
    return crosses


def _profile(rows: pd.DataFrame, column: str) -> pd.Series:
    """Returns means over runs (and heads) by layer at each run's last measurement; geometric for the rank residual."""
    rows = rows[rows[column].notna()] if len(rows) else rows
    if rows.empty:
        return pd.Series(dtype=float)
    rows = rows[rows["step"] == rows.groupby("run")["step"].transform("max")]
    return base.mean_by(rows, column, ["layer"], geometric=column == "rank")


def _plot(axes: Axes, profile: pd.Series, **style: Any) -> bool:
    if len(profile):
        at, every = profile.index.to_numpy(dtype=float), -(-len(profile) // MARKS)
        axes.plot(at, profile.to_numpy(dtype=float), markevery=every, **style)
    return bool(len(profile))
