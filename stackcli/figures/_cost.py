"""Draws time or memory of a training step against length, a line for each arm with its exponent at its end."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from stackcli.analysis.cost_scaling import fit_power, measured_points
from stackcli.figures._figure import draw_in_style, grid, leftmost, note
from stackcli.figures._headline import headline
from stackcli.figures._lines import styles
from stackcli.figures._marks import mark_right
from stackcli.figures._numbers import number
from stackcli.figures._points import left_out, spread_evenly
from stackcli.figures._style import LINES
from stackcli.figures._words import fit, safe_text

PANELS = 6
ROOM = 105.0  # points that a label at the end of a line may take
COST = {
    "time": ("step_ms", 1.0, "time of a training step (ms)", "medians; bars: quartiles"),
    "memory": ("memory", 2.0**20, "peak memory of a step (MiB)", "above weights and optimiser"),
}

End = tuple[float, float, str, Any]  # the last point of a line, its label and its colour


@draw_in_style
def draw_cost(points: pd.DataFrame, axes: Sequence[str], name: str) -> Figure | None:
    """Draws `name`, time or memory, on logarithmic axes: a line for each kind of attention, or value of the first axis,
    and a panel for each choice of the others. At the end of a line stand the exponent over all its lengths and the
    slope between the two longest. None where fewer than two lengths of an arm were measured."""
    column, unit, what, small = COST[name]
    done = measured_points(points)
    done = done[done[column] > 0].assign(**{column: done[column] / unit})
    others = [axis for axis in axes if axis != "seq"]
    lined = "attention" if "attention" in others else (others or [""])[0]
    split = [axis for axis in others if axis != lined]
    keys = list(dict.fromkeys(map(tuple, done[split].itertuples(index=False)))) if len(done) else []
    if done.empty or done["seq"].nunique() < 2:
        return None
    shown = spread_evenly(keys, PANELS)
    figure, panels = grid(len(shown), 2, 2.3, sharex=True, sharey=True)
    figure.set_figwidth(max(figure.get_figwidth(), 4.5))
    values = list(dict.fromkeys(points[lined])) if lined else [None]
    kept = spread_evenly(values, LINES)
    looks = dict(zip(kept, styles(len(kept)), strict=True))
    ends: list[tuple[Axes, list[End]]] = []
    for panel, key in zip(panels, shown, strict=True):
        own = done[[row == key for row in map(tuple, done[split].itertuples(index=False))]]
        labels = []
        for value, look in looks.items():
            rows = (own[own[lined] == value] if lined else own).sort_values("seq")
            if len(rows):
                labels.append(_line(panel, rows, column, look, safe_text(value) if lined else ""))
        ends.append((panel, labels))
        panel.set_title(fit(" ".join(f"{a}={safe_text(v)}" for a, v in zip(split, key, strict=True)), 150))
        panel.set_ylabel(what if leftmost(panel) else "")
    _dress(panels, sorted(set(done["seq"])))
    missing = len(points) - len(done)
    more = f"{missing} of {len(points)} points not measured" if missing else ""
    exponents = "n^: exponent over all lengths; last: slope between the two longest"
    note(
        figure,
        small,
        exponents,
        more,
        left_out(len(shown), len(keys), "panels"),
        left_out(len(kept), len(values), "lines"),
    )
    for panel, labels in ends:
        right = panel.get_xlim()[1]
        for x, y, text, colour in labels:
            panel.plot([x, right], [y, y], color=colour, linewidth=0.5, alpha=0.6, label="leader")
            mark_right(panel, y, text, colour, room=ROOM + 60, lines=1)
        panel.set_xlim(right=right)
    headline(figure, f"How does the {name} of a step grow with the length?")
    return figure


def _line(axes: Axes, rows: pd.DataFrame, column: str, look: dict[str, Any], name: str) -> End:
    x, y = rows["seq"].to_numpy(dtype=float), rows[column].to_numpy(dtype=float)
    axes.plot(x, y, **look, label="points")
    if column == "step_ms":
        low, high = (rows[f"{column}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
        axes.vlines(x, low, high, color=look["color"], linewidth=2.0, alpha=0.5, label="quartiles")
    found = fit_power(x, y)
    text = f"{fit(name, ROOM, lines=1)} ".lstrip()
    if found.n > 1:
        text += f"n^{number(round(found.exponent, 2))}"
        text += f", last {number(round(found.last, 2))}" if found.n > 2 else ""
    return x[-1], y[-1], text, look["color"]


def _dress(panels: Sequence[Axes], lengths: list[int]) -> None:
    for axes in panels:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(lengths, labels=[str(length) for length in lengths])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("length (tokens)")
