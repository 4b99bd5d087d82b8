"""Test accuracy against the time of a training step; a line joins the points that no other beats in both."""

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from stackcli.analysis.study_data import Frames
from stackcli.figures import _levels, base

PANELS = 6
FRONT: dict[str, Any] = {"color": base.GREY, "linewidth": 0.9, "marker": "o", "markersize": 10, "fillstyle": "none"}


class Spot(NamedTuple):
    """A point of the study: its panel, the median time of a step and its quartiles in ms, the mean test accuracy and
    its interval, and that of every seed."""

    panel: str
    point: base.Point
    time: float
    times: tuple[float, float]
    accuracy: float
    low: float
    high: float
    seeds: tuple[float, ...]


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws a panel for each data set, its time on a logarithmic axis; None if fewer than two points were timed."""
    lines = base.lines(frames)
    spots = _find_spots(frames, lines)
    if len(spots) < 2:
        return None
    names = list(dict.fromkeys(spot.panel for spot in spots))
    shown = base.spread_evenly(names, PANELS)
    figure, panels = base.grid(len(shown), 3, 2.3)
    for axes, name in zip(panels, shown, strict=True):
        own = [spot for spot in spots if spot.panel == name]
        for spot in own:
            look = {**lines.style(spot.point), "linestyle": "none"}
            axes.plot(spot.time, spot.accuracy, **{"marker": "o", **look}, markersize=6, label=spot.point.key)
            axes.plot([spot.time] * len(spot.seeds), spot.seeds, ".", color=look["color"], markersize=2, label="seeds")
            _levels.intervals(axes, [spot.time], [spot.low], [spot.high], look["color"], most=1.0)
            axes.hlines(spot.accuracy, *spot.times, color=look["color"], linewidth=0.8, label="quartiles")
        front = _find_front(own)
        axes.plot([s.time for s in front], [s.accuracy for s in front], **FRONT, label="front")
        axes.set_title(base.fit(f"data={name}", 150) if len(names) > 1 else "")
        _dress(axes, own)
        _levels.limits(axes, [], least=0.05, most=1.0)
    lines.explain(figure, [(base.swatch(**FRONT), "not beaten in both")], axes=panels)
    base.headline(figure, "Which choices are both fast and accurate?", "test part")
    rest = [base.left_out(len(shown), len(names), "panels"), base.left_out(len(lines.points), lines.total, "points")]
    most = max(len(spot.seeds) for spot in spots)
    means = f"{base.describe_mean(most)}; dots: runs; " if most > 1 else ""
    base.note(figure, f"{means}times: medians, bars: quartiles", *rest)
    return figure


def _find_spots(frames: Frames, lines: base.Lines) -> list[Spot]:
    """Returns the points that have finished runs and a measured time."""
    out: list[Spot] = []
    if not {"step_ms", "test_acc"} <= set(frames.runs):
        return out
    for point in lines.points:
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
                point,
                float(first["step_ms"]),
                quartiles,
                mean,
                low,
                high,
                tuple(scores),
            )
        )
    return out


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
