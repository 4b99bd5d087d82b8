"""What the study found, on one page: result of every seed, overfitting gap, gradient, time, and a verdict in words."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _levels, base

TITLES = {
    "result": "result on the test part, best weights",
    "gap_end": "overfitting gap, at the end of training",
    "free_ratio_init": "gradient of block 1 / last block, at initialisation",
    "step_ms": "time of a training step",
}
UNITS = {
    "test_acc": "accuracy (share)",
    "test_excess": "excess loss (nats)",
    "gap_end": "gap (nats)",
    "free_ratio_init": "ratio of G3 (1: equal)",
    "step_ms": "time (ms)",
}
SEARCHES = ("search", "halving", "remedies")  # commands whose own figure is the first to look at
LINES = 9  # of the verdict


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means with 95 % t intervals over seeds, and a dot for every seed, against the depth if it is swept, else
    the first setting. A column for each data set, if several were swept."""
    runs = frames.runs if frames.runs.empty else frames.runs[frames.runs["status"] != "missing"]
    if not frames.axes or frames.command in SEARCHES or runs.empty or base.finished_runs(runs).empty:
        return None
    name = _levels.x_axis(frames)
    scale, (parts, missing) = base.scale(name, runs[name]), _levels.data_parts(frames, runs, name, _levels.ACROSS)
    shown = [key for key in TITLES if key == "result" or len(base.finite(runs.get(key)))]
    single = len(parts) == 1
    figure, grid = _page(len(shown), len(parts))
    entries: dict[str, Any] = {}
    for i, (title, own) in enumerate(parts):
        groups, remark = _levels.groups(frames, own, name)
        panels: list[Axes] = list(grid.flat[: len(shown)]) if single else list(grid[:, i])
        for axes, key in zip(panels, shown, strict=True):
            _panel(axes, scale, groups, base.metric_of(frames, own) if key == "result" else key, frames)
            words = TITLES[key] if single else f"{title}: {TITLES[key]}"
            axes.set_title(base.fit(words, base.FULL * 72 / (2 if single else len(parts)) - 45, lines=2), loc="left")
        named = _levels.name_groups(panels[0], groups) if i == len(parts) - 1 else []
        entries |= {words: artist for artist, words in named + _levels.mark_broken_runs(panels[0], scale, groups)}
    across = 2 if single else len(parts)
    _levels.name_levels(figure, list(grid.flat[: len(shown) * len(parts)]), scale, base.FULL * 72 / across - 55)
    base.legend(figure, [(artist, words) for words, artist in entries.items()])
    base.headline(figure, f"What does {_subject(frames, name)} change?", _verdict(frames), lines=LINES)
    seeds = runs["seed"].nunique()
    words = f"{base.describe_mean(seeds)}, one split; dots: runs" if seeds > 1 else "one run of each"
    base.note(figure, words, remark, missing)
    return figure


def _verdict(frames: Frames) -> str:
    """Returns as many whole sentences of the verdict as fit."""
    kept = ""
    for sentence in base.verdict(frames):
        longer = f"{kept} {sentence}".strip()
        if base.fit(longer, base.FULL * 72 - 6, lines=LINES + 3).count("\n") >= LINES:
            return f"{kept} More in the report."
        kept = longer
    return kept


def _page(count: int, parts: int) -> tuple[Figure, Any]:
    """Returns the figure and its panels: two in a row, or a row for each of `count` quantities and a column a part."""
    rows, columns = (-(-count // 2), 2) if parts == 1 else (count, parts)
    figure, grid = base.new(base.FULL, 0.25 + 1.65 * rows, rows, columns)
    for spare in grid.flat[count:] if parts == 1 else ():
        spare.remove()
    return figure, grid


def _subject(frames: Frames, x: str) -> str:
    names = [_levels.NAMES.get(axis, base.safe_text(axis)) for axis in frames.axes if axis != "data" or x == "data"]
    return " and ".join(f"the {name}" for name in names)


def _panel(axes: Axes, scale: base.Scale, groups: list[_levels.Group], column: str, frames: Frames) -> None:
    """Draws one quantity of every group."""
    most = {"most": 1.0} if column == "test_acc" else {}
    for name, runs, style, dodge in groups:
        rows = runs.drop_duplicates("point") if column == "step_ms" else runs  # a point is timed once
        _levels.line(axes, scale, (name, rows, style, dodge), column, **most)
    _levels.color_levels(axes, scale, groups)
    axes.set_ylabel(UNITS[column])
    if column in ("step_ms", "free_ratio_init"):
        drawn = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
        values = base.finite(np.concatenate([np.empty(0), *drawn]))
        if len(values) and values.min() > 0 and (column == "free_ratio_init" or scale.kind == "log"):
            axes.set_yscale("log")
            axes.set_ylim(values.min() / 1.3, values.max() * 1.3)
        elif column == "step_ms" and len(values):
            axes.set_ylim(0, 1.15 * values.max())
        return
    _levels.limits(axes, [0.0] if column == "gap_end" else [], least=0.02, most=most.get("most"))
    if column == "gap_end":
        axes.axhline(0, color=base.GREY, linewidth=0.6, label="zero")
