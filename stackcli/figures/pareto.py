"""Test accuracy against the time of a training step; a line joins the points that no other beats in both."""

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

PANELS = 6
FRONT: dict[str, Any] = {"color": base.GREY, "linewidth": 0.9, "marker": "o", "markersize": 10, "fillstyle": "none"}


class Spot(NamedTuple):
    """A point of the study: the panel and the line of the legend that it belongs to, the median time of a step and its
    quartiles in ms, the mean test accuracy and its interval, and that of every seed."""

    panel: str
    name: str
    time: float
    times: tuple[float, float]
    accuracy: float
    low: float
    high: float
    seeds: tuple[float, ...]


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws a panel for each data set, its time on a logarithmic axis; None if fewer than two points were timed."""
    spots = _find_spots(frames)
    if len(spots) < 2:
        return None
    panels, names = (list(dict.fromkeys(getattr(spot, key) for spot in spots)) for key in ("panel", "name"))
    shown, kept = base.spread_evenly(panels, PANELS), base.spread_evenly(names, base.LINES)
    looks = dict(zip(kept, base.styles(len(kept)), strict=True))
    figure, grid = base.grid(len(shown), 3, 2.3)
    for axes, panel in zip(grid, shown, strict=True):
        own = [spot for spot in spots if spot.panel == panel and spot.name in looks]
        for spot in own:
            look = {**looks[spot.name], "linestyle": "none"}
            axes.plot(spot.time, spot.accuracy, **look, markersize=6, label=spot.name)
            axes.plot([spot.time] * len(spot.seeds), spot.seeds, ".", color=look["color"], markersize=2, label="seeds")
            axes.vlines(spot.time, spot.low, spot.high, color=look["color"], linewidth=0.8, label="interval")
            axes.hlines(spot.accuracy, *spot.times, color=look["color"], linewidth=0.8, label="quartiles")
        front = _find_front(own)
        axes.plot([s.time for s in front], [s.accuracy for s in front], **FRONT, label="front")
        axes.set_title(panel if len(panels) > 1 else "")
        _dress(axes, own)
    entries = [(base.swatch(**{**look, "linestyle": "none"}), base.fit(name, 160)) for name, look in looks.items()]
    base.legend(figure, [*entries, (base.swatch(**FRONT), "not beaten in both")])
    rest = [base.left_out(len(shown), len(panels), "panels"), base.left_out(len(kept), len(names), "names")]
    most = max(len(spot.seeds) for spot in spots)
    means = f"{base.describe_mean(most)}; dots: runs; " if most > 1 else ""
    base.note(figure, f"{means}times: medians, bars: quartiles", *rest)
    return figure


def _find_spots(frames: Frames) -> list[Spot]:
    """Returns the points that have finished runs and a measured time."""
    out: list[Spot] = []
    if not {"step_ms", "test_acc"} <= set(frames.runs):
        return out
    for point in base.points(frames):
        rows = point.rows(frames.runs)
        timed, scores = rows[rows["step_ms"].notna()], base.finite(rows["test_acc"])
        if timed.empty or not len(scores):
            continue
        first = timed.iloc[0]
        mean, low, high = base.interval(scores)
        quartiles = (
            float(first.get("step_ms_low", first["step_ms"])),
            float(first.get("step_ms_high", first["step_ms"])),
        )
        out.append(
            Spot(
                base.safe_text(first.get("data", "")),
                point.key,
                float(first["step_ms"]),
                quartiles,
                mean,
                *(max(0.0, low), min(1.0, high)),
                tuple(scores),
            )
        )
    return _shorten(out, frames)


def _shorten(spots: list[Spot], frames: Frames) -> list[Spot]:
    """Names the points by their kind of attention, if that tells the points of every panel apart and differs."""
    kinds = dict(zip(frames.runs["point"], frames.runs.get("attention", frames.runs["point"]), strict=True))
    named = [spot._replace(name=base.safe_text(kinds[spot.name])) for spot in spots]
    distinct = len({(spot.panel, spot.name) for spot in named}) == len(spots)
    several = len({spot.name for spot in named}) > 1
    return named if distinct and several else [spot._replace(name=base.safe_text(spot.name)) for spot in spots]


def _find_front(spots: list[Spot]) -> list[Spot]:
    """Returns the points, fastest first, than which no other is both as fast and more accurate."""
    front: list[Spot] = []
    for spot in sorted(spots, key=lambda spot: (spot.time, -spot.accuracy)):
        if not front or spot.accuracy > front[-1].accuracy:
            front.append(spot)
    return front


def _dress(axes: Axes, spots: list[Spot]) -> None:
    low, high = min(spot.time for spot in spots), max(spot.time for spot in spots)
    axes.set_xscale("log")
    axes.set_xlim(low / 1.25, high * 1.25)
    axes.xaxis.set_major_locator(FixedLocator(base.log_ticks(low / 1.25, high * 1.25)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: base.number(value)))
    axes.set_xlabel("time of a training step (ms)")
    axes.set_ylabel("test accuracy (share)" if base.leftmost(axes) else "")
