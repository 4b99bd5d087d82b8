"""Test accuracy against depth (or the first swept setting), a panel for each data set; baselines at the right edge."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _levels, base

BASELINES = {"majority_acc": ("most common class", ":"), "tfidf_acc": ("TF-IDF + LR", "-.")}  # LR: logistic regression
ROOM = 64.0  # points of the baselines' names
LEAST = 0.05  # share; a smaller range of accuracies is not drawn larger


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means with 95 % t intervals over seeds, and a dot for every seed. The x axis is depth if it is swept."""
    runs = frames.runs if frames.runs.empty else frames.runs[frames.runs["status"] != "missing"]
    if runs.empty:
        return None
    name = _levels.x_axis(frames)
    parts, missing = _levels.data_parts(frames, runs, name)
    scale = base.scale(name, runs[name])
    many = len(scale.levels) > 10 or len(scale.levels) * len(_levels.groups(frames, runs, name)[0]) > 24
    figure, panels, room = _levels.panels(len(parts), 2.1 if len(parts) == 1 else 1.8, wide=many)
    legend: dict[str, Any] = {}
    for axes, (title, own) in zip(panels, parts, strict=True):
        groups, remark = _levels.groups(frames, own, name)
        for group in groups:
            _levels.line(axes, scale, group, "test_acc", most=1.0)
        _levels.color_levels(axes, scale, groups)
        axes.set_title(base.fit(title, room))
        axes.set_ylabel("test accuracy\n(share)" if base.leftmost(axes) else "")
        known = _baselines(frames, own)
        seen = _levels.limits(axes, [value for *_, value in known], least=LEAST, most=1.0)
        if axes is panels[-1]:
            legend |= {words: artist for artist, words in _levels.name_groups(axes, groups)}
        legend |= _draw_baselines(axes, scale, known, seen)
        legend |= {words: artist for artist, words in _levels.mark_broken_runs(axes, scale, groups)}
    _levels.name_levels(figure, panels, scale, room - (ROOM if any(axes.texts for axes in panels) else 0))
    base.legend(figure, [(artist, words) for words, artist in legend.items()])
    question = f"How accurate is the stack{_levels.effect_of(frames, name)}?"
    base.headline(figure, question, "test part, weights with the lowest validation loss")
    seeds = runs["seed"].nunique()
    base.note(figure, f"{base.describe_mean(seeds)}, one split; dots: runs" if seeds > 1 else "", remark, missing)
    return figure


def _baselines(frames: Frames, runs: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Returns baseline, data set and accuracy, of the data sets of these runs."""
    names = dict.fromkeys(str(name) for name in runs["facts" if "facts" in runs else "data"])
    table = [(column, name, frames.facts.get(name, {}).get(column)) for column in BASELINES for name in names]
    return [(column, name, value) for column, name, value in table if isinstance(value, int | float)]


def _draw_baselines(
    axes: Axes, scale: base.Scale, known: list[tuple[str, str, float]], seen: set[float]
) -> dict[str, Any]:
    """Draws a horizontal line for each baseline in the panel, and writes its name and value at the right edge. If the x
    axis shows data sets, each has a short line of its own, and legend entries are returned."""
    entries: dict[str, Any] = {}
    for column, name, value in known:
        words, dash = BASELINES[column]
        look: dict[str, Any] = {"color": base.GREY, "linestyle": dash, "linewidth": 0.9}
        if scale.name == "data":
            axes.hlines(value, scale.at(name, -0.4), scale.at(name, 0.4), **look, label=words)
            entries[words] = base.swatch(**look)
            continue
        if value in seen:
            axes.axhline(value, **look, label=words)
        base.mark_right(axes, value, f"{words} {value:.2f}", base.GREY, room=ROOM)
    return entries
