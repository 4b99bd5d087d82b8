"""Time of a training step, and of its forward, backward and update parts, measured after the runs."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import base

PANELS, BARS = 4, 60
PARTS = {"forward_ms": "forward", "backward_ms": "backward", "update_ms": "update"}
COLOURS = {"forward_ms": "0.35", "backward_ms": "0.6", "update_ms": "0.8"}


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws lines if the x axis (depth, or the first axis) is a number, one panel for each other setting; else bars."""
    if "step_ms" not in frames.runs or frames.runs["step_ms"].isna().all():
        return None
    times = _times(frames)
    x = "depth" if "depth" in frames.axes else (*frames.axes, "depth")[0]
    scale = base.scale(x, times[x])
    numeric = scale.kind != "category" and len(scale.levels) > 1
    figure, missing = _curves(frames, times, scale) if numeric else _bars(frames, times)
    base.headline(figure, "How long does a training step take, and which part of it?")
    base.note(figure, "medians; bars: quartiles", _conditions(frames), missing)
    return figure


def _times(frames: Frames) -> pd.DataFrame:
    """Returns a row for each point; an architecture is measured once for all its seeds."""
    rows = []
    for point in base.points(frames):
        runs = frames.runs[(frames.runs["point"] == point.key) & frames.runs["step_ms"].notna()]
        if len(runs):
            rows.append({**runs.iloc[0].to_dict(), **dict(zip(frames.axes, point.values, strict=True))})
    return pd.DataFrame(rows)


def _curves(frames: Frames, times: pd.DataFrame, scale: base.Scale) -> tuple[Figure, str]:
    others = [axis for axis in frames.axes if axis != scale.name]
    keys = list(dict.fromkeys(tuple(row) for row in times[others].itertuples(index=False)))
    shown = base.spread_evenly(keys, PANELS)
    figure, panels = base.grid(len(shown), 2, 2.1, sharey=True)
    room = (base.COLUMN if len(panels) == 1 else base.FULL / 2) * 72 - 45
    for axes, key in zip(panels, shown, strict=True):
        rows = times[[tuple(row) == key for row in times[others].itertuples(index=False)]].sort_values(scale.name)
        at = [scale.at(base.plain(value)) for value in rows[scale.name]]
        for (column, _), style in zip(PARTS.items(), base.styles(4)[1:], strict=True):
            if column in rows:
                look = {**style, "color": COLOURS[column], "linewidth": 0.9, "markersize": 3}
                axes.plot(at, rows[column], **look, label=column)
        axes.plot(at, rows["step_ms"], color="black", marker="o", label="step_ms")
        _quartiles(axes.vlines, at, rows)
        scale.dress(axes, "x", room)
        if scale.kind == "log":
            axes.set_yscale("log")
            power = base.fit_power(np.array(at, dtype=float), rows["step_ms"].to_numpy(dtype=float))
            if np.isfinite(power.exponent):
                words = f"{base.safe_text(scale.name)}^{base.number(round(power.exponent, 2))}"
                base.mark_right(axes, float(rows["step_ms"].iloc[-1]), words, "black")
        axes.set_ylabel("time of a step (ms)" if base.leftmost(axes) else "")
        if others:
            axes.set_title(
                base.fit(" ".join(f"{a}={base.safe_text(v)}" for a, v in zip(others, key, strict=True)), room)
            )
    if scale.kind != "log":
        panels[0].set_ylim(bottom=0)  # last, as it fixes the top of every panel
    styles = zip(PARTS.items(), base.styles(4)[1:], strict=True)
    entries = [(base.swatch(color="black", marker="o"), "whole step")]
    entries += [(base.swatch(**{**style, "color": COLOURS[c]}), words) for (c, words), style in styles if c in times]
    base.legend(figure, entries)
    return figure, base.left_out(len(shown), len(keys), "lines")


def _quartiles(lines: Any, at: Any, rows: pd.DataFrame, **look: Any) -> None:
    if {"step_ms_low", "step_ms_high"} <= set(rows):
        lines(at, rows["step_ms_low"], rows["step_ms_high"], color="black", linewidth=2, **look, label="quartiles")


def _bars(frames: Frames, times: pd.DataFrame) -> tuple[Figure, str]:
    """Draws a panel for each data set, if several were swept, with a bar for each point."""
    several = "data" in frames.axes and len(frames.axes) > 1
    others = [axis for axis in frames.axes if axis != "data"]
    parts = [(f"data={base.safe_text(name)}", own) for name, own in times.groupby("data", sort=False)]
    total, parts = len(parts), parts[:PANELS] if several else [("", times)]
    most = max(len(own) for _, own in parts)
    keep = base.spread_evenly(range(most), BARS)
    names = {
        title: [base.fit(_name(row, others) if several else row["point"], 110) for row in own.to_dict("records")]
        for title, own in parts
    }
    row = 0.27 if any("\n" in name for each in names.values() for name in each) else 0.2
    figure, panels = base.grid(len(parts), 3, 0.5 + row * min(most, BARS))
    entries: list[tuple[Any, str]] = []
    for axes, (title, own) in zip(panels, parts, strict=True):
        kept = [i for i in keep if i < len(own)]
        entries = _stack(axes, own.iloc[kept], [names[title][i] for i in kept])
        axes.set_title(base.fit(title, 150))
        axes.set_ylabel(axes.get_ylabel() if base.leftmost(axes) else "")
    base.legend(figure, [*entries, (base.swatch(color="black", marker="o"), "whole step, quartiles")])
    missing = base.left_out(len(parts), total, "data sets") if several else ""
    return figure, "; ".join(filter(None, [base.left_out(len(keep), most, "points"), missing]))


def _name(row: dict[Any, Any], axes: list[str]) -> str:
    return " ".join(f"{axis}={base.safe_text(row[axis])}" for axis in axes)


def _stack(axes: Axes, times: pd.DataFrame, names: list[str]) -> list[tuple[Any, str]]:
    """Draws a bar for each row with its parts stacked, and the whole step with its quartiles on top."""
    at, left, entries = np.arange(len(names)), np.zeros(len(names)), []
    for (column, words), hatch in zip(PARTS.items(), ("", "////", "...."), strict=True):
        if column in times:
            widths = times[column].fillna(0).to_numpy(dtype=float)
            look: dict[str, Any] = {"color": COLOURS[column], "hatch": hatch, "edgecolor": "white", "linewidth": 0}
            bars = axes.barh(at, widths, left=left, height=0.7, **look, label=column)
            entries.append((bars[0], words))
            left = left + widths
    axes.plot(times["step_ms"], at, "o", color="black", label="step_ms")
    _quartiles(axes.hlines, at, times)
    axes.set_yticks(at if any(names) else [], labels=names if any(names) else [])
    axes.set_ylabel("point" if any(names) else "")
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlim(left=0)
    axes.set_xlabel("time of a step (ms)")
    return entries


def _conditions(frames: Frames) -> str:
    """Names the conditions of the measurement: threads, batch, device, kernel, processor."""
    words = []
    for column in ("threads", "batch", "device", "kernel_used"):
        if column in frames.runs:
            values = [base.plain(value) for value in frames.runs[column]]
            given = dict.fromkeys(base.safe_text(value) for value in values if value not in (None, ""))
            words.append(f"{column.removesuffix('_used')} {'/'.join(given)}" if given else "")
    machine: dict[str, Any] = frames.machine
    words.append(base.safe_text(machine.get("processor") or ""))
    words.append(base.describe_load(machine.get("loads")) if machine else "")
    return ", ".join(filter(None, words))
