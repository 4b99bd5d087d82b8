"""Forest plot of the paired differences to the first value of the first axis, with intervals and every seed."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.figures import base
from stackcli.frames import Frames

UNITS = {"test_acc": "difference in\ntest accuracy (share)", "test_excess": "difference in\nexcess loss (nats)"}
FILLED = ("better", "worse")
MOST = 12  # rows of a panel


@base.styled
def draw(frames: Frames) -> Figure | None:
    """A panel for each choice of the other axes; filled markers are claims, hollow ones are not."""
    if frames.runs.empty or not frames.axes or base.done(frames.runs).empty:
        return None
    parts = [part for part in base.compared(frames) if len(part.accuracy) and part.accuracy["n"].sum()]
    if not parts:
        return None
    shown = base.spread(parts, 6)
    rows = max(min(len(part.accuracy), MOST) for part in shown)
    figure, panels = base.grid(len(shown), 3, 0.45 + 0.2 * max(rows, 4))
    for axes, part in zip(panels, shown, strict=True):
        _panel(axes, part, frames.axes[0])
    looks: list[dict[str, Any]] = [{"fillstyle": "full"}, {"fillstyle": "none"}]
    words = ("better or worse (Holm p < .05)", "not a claim")
    entries = [
        (base.swatch(color="black", marker="o", linestyle="none", **look), w)
        for look, w in zip(looks, words, strict=True)
    ]
    base.legend(figure, entries)
    several = "mean of paired differences, 95 % t interval; dots: seeds"
    base.note(figure, several, base.left_out(len(shown), len(parts), "panels"))
    return figure


def _panel(axes: Axes, part: base.Part, axis: str) -> None:
    table = part.accuracy[part.accuracy["n"] > 0]
    rows = base.spread(table.to_dict("records"), MOST)
    axes.axvline(0, color=base.GREY, linewidth=0.8, label="zero")
    values = _by_seed(part, axis)
    for y, row in enumerate(rows):
        gaps = (values[row["arm"]] - values[row["baseline"]]).dropna() if row["arm"] in values else []
        axes.plot(gaps, [y + 0.22] * len(gaps), ".", color=base.GREY, markersize=3, markeredgewidth=0, label="seeds")
        if np.isfinite(row["low"]):
            axes.hlines(y, row["low"], row["high"], color="black", linewidth=0.9, label="interval")
        fill = "full" if row["kind"] in FILLED else "none"
        axes.plot([row["mean"]], [y], "o", color="black", fillstyle=fill, label="mean")
    room = 80 if len(rows) > 1 else 60
    axes.set_yticks(range(len(rows)), labels=[base.fit(base.typed(base.plain(row["arm"])), room) for row in rows])
    axes.set_ylabel(base.label(axis))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel(UNITS[part.metric])
    baseline = f"against {axis}={base.typed(base.plain(rows[0]['baseline']))}"
    axes.set_title(base.fit(f"{part.where}, {baseline}" if part.where else baseline, 118, lines=2))
    axes.locator_params(axis="x", nbins=4)


def _by_seed(part: base.Part, axis: str) -> Any:
    """The metric by seed (rows) and value of the axis (columns), finished runs alone."""
    done = base.done(part.runs)
    return done.pivot_table(index="seed", columns=axis, values=part.metric, aggfunc="mean", sort=False)
