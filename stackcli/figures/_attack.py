"""Draws the accuracy of a run under each attack against its budget, beside random changes, a panel for each attack."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.attack_results import Row, find_shares
from stackcli.figures._figure import draw_in_style, grid, legend, note
from stackcli.figures._headline import headline
from stackcli.figures._style import GREY, PALETTE

ACROSS = 4
UNSURE, UNTYPED = " (label?)", " (not typed)"
LOOKS: dict[str, dict[str, Any]] = {
    "random": {"color": GREY, "marker": "s", "linestyle": (0, (4, 1.5))},
    "attacked": {"color": PALETTE[1], "marker": "o", "linestyle": "-"},
}
NAMES = {"random": "after random changes", "attacked": "after the attack"}
CLEAN: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 0.9}


@draw_in_style
def draw_robustness(report: Mapping[str, Any]) -> Figure | None:
    """Draws the report of `stackcli.experiment.attack.run_attacks`, with 95 % Wilson intervals over items."""
    groups = [(name, list(rows)) for name, rows in groupby(report["rows"], key=lambda row: str(row["attack"]))]
    if not groups:
        return None
    figure, panels = grid(len(groups), min(ACROSS, len(groups)), 1.5, sharey=True)
    entries: list[Any] = []
    marks: set[str] = set()
    for axes, (name, rows) in zip(panels, groups, strict=True):
        entries = draw_attack(axes, rows)
        typed = rows[0]["changes"] in ("tokens", "letters")
        mark = UNTYPED if not typed else "" if rows[0]["keeps_label"] else UNSURE
        marks.add(mark)
        axes.set_title(name + mark)
        axes.set_xlabel(rows[0]["unit"])
    panels[0].set_ylim(-0.03, 1.03)
    figure.supylabel(f"accuracy on {report['items']} test items", fontsize=panels[0].yaxis.label.get_fontsize())
    legend(figure, entries)
    headline(figure, "How easily is the run fooled?", f"run {report['run']}")
    note(
        figure,
        "bars: 95 % Wilson intervals over items",
        "(label?): a person might give the changed text another class" if UNSURE in marks else "",
        "(not typed): vectors or positions" if UNTYPED in marks else "",
    )
    return figure


def draw_attack(axes: Axes, rows: Sequence[Row]) -> list[Any]:
    """Draws one attack and returns the entries of the legend."""
    shares = [find_shares(row) for row in rows]
    clean = axes.axhline(shares[0].clean.mean, **CLEAN)
    entries: list[Any] = [(clean, "before")]
    for shift, (key, look) in zip((-0.06, 0.06), LOOKS.items(), strict=True):
        at = [place + shift for place in range(len(rows))]
        found = [getattr(share, key) for share in shares]
        (line,) = axes.plot(at, [share.mean for share in found], **look, markersize=3.5)
        axes.vlines(at, [s.low for s in found], [s.high for s in found], color=look["color"], linewidth=0.8)
        entries.append((line, NAMES[key]))
    axes.set_xlim(-0.5, len(rows) - 0.5)
    names = ["all" if row["budget"] is None else f"{row['budget']:g}" for row in rows]
    axes.set_xticks(range(len(rows)), labels=names)
    return entries
