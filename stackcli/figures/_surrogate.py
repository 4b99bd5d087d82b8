"""Draws how faithful the surrogates of a run are: fidelity beside accuracy against size, a panel for each kind."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.figures._figure import blank, draw_in_style, grid, legend, note
from stackcli.figures._headline import headline
from stackcli.figures._style import GREY, PALETTE

PANELS = {"tree": ("decision tree", "leaves"), "linear": ("linear model", "words")}
SHARES: dict[str, dict[str, Any]] = {
    "fidelity": {"color": PALETTE[1], "marker": "o"},
    "accuracy": {"color": PALETTE[5], "marker": "s", "linestyle": (0, (4, 1.5))},
}
STACK: dict[str, Any] = {"color": GREY, "linestyle": "-", "linewidth": 0.9}
MAJORITY = {**STACK, "linestyle": ":"}


@draw_in_style
def draw_surrogate(report: Mapping[str, Any]) -> Figure | None:
    """Draws the report of `stackcli.experiment.surrogate.make_surrogates`, with 95 % intervals over the test texts."""
    found = report["surrogates"]
    if not found:
        return None
    figure, panels = grid(len(found), 2, 2.2, sharey=True)
    curves, levels = list[Any](), list[Any]()
    for axes, (kind, surrogate) in zip(panels, found.items(), strict=True):
        name, unit = PANELS[kind]
        axes.set_title(name)
        axes.set_xlabel(unit)
        curve = [point for point in surrogate["curve"] if point["size"]]
        if not curve:
            blank(axes, "no word speaks for an answer")
            axes.set_xticks([])
            continue
        curves = draw_curve(axes, curve)
        levels = [
            (axes.axhline(report["stack"]["accuracy"]["mean"], **STACK), "accuracy of the stack"),
            (axes.axhline(report["majority"]["fidelity"]["mean"], **MAJORITY), "fidelity of the most common class"),
        ]
    panels[0].set_ylabel(f"share of test {report['unit']}s")
    panels[0].set_ylim(-0.03, 1.03)
    legend(figure, curves + levels)
    headline(figure, "How well does a simple model imitate the stack?", "test part")
    note(figure, f"bars: 95 % intervals over test {report['unit']}s")
    return figure


def draw_curve(axes: Axes, curve: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Draws fidelity and accuracy against size and returns the entries of the legend."""
    entries: list[Any] = []
    sizes = [point["size"] for point in curve]
    for shift, (name, look) in zip((0.985, 1.015), SHARES.items(), strict=True):
        at = [size * shift for size in sizes]  # so that the bars do not hide each other
        shares = [point[name] for point in curve]
        (line,) = axes.plot(at, [share["mean"] for share in shares], **look, label=name)
        low, high = ([share[end] for share in shares] for end in ("low", "high"))
        axes.vlines(at, low, high, color=look["color"], linewidth=0.8, label="interval")
        entries.append((line, f"{name} of the surrogate"))
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, labels=[str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    return entries
