"""Forest plot of the paired differences to the first value of the first axis, with intervals and every seed."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _forest, _levels, base


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws a panel for each choice of the other axes; filled markers are claims, hollow ones are not. Remedies have
    their own figure."""
    if frames.runs.empty or not frames.axes or base.finished_runs(frames.runs).empty or frames.command == "remedies":
        return None
    parts = [part for part in base.all_comparisons(frames) if len(part.accuracy) and part.accuracy["n"].sum()]
    if not parts:
        return None
    shown = base.spread_evenly(parts, 6)
    rows = max(min(len(part.accuracy), _forest.MOST) for part in shown)
    figure, panels = base.grid(len(shown), 3, 0.45 + 0.2 * max(rows, 4))
    for axes, part in zip(panels, shown, strict=True):
        _panel(axes, part, frames.axes[0])
    base.legend(figure, _forest.entries())
    first = _levels.NAMES.get(frames.axes[0], base.safe_text(frames.axes[0]))
    base.headline(figure, f"Which {first} differs from the first, and by how much?", "test part, paired by seed")
    base.note(figure, _forest.SEVERAL, base.left_out(len(shown), len(parts), "panels"))
    return figure


def _panel(axes: Axes, part: base.Part, axis: str) -> None:
    table = part.accuracy[part.accuracy["n"] > 0]
    rows = base.spread_evenly(table.to_dict("records"), _forest.MOST)
    _forest.draw_rows(axes, part, axis, rows)
    room = 80 if len(rows) > 1 else 60
    names = [base.fit(base.safe_text(base.plain(row["arm"])), room) for row in rows]
    _forest.dress(axes, axis, names, _forest.UNITS[part.metric])
    baseline = f"against {axis}={base.safe_text(base.plain(rows[0]['baseline']))}"
    axes.set_title(base.fit(f"{part.where}, {baseline}" if part.where else baseline, 118, lines=2))
