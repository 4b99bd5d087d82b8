"""Accuracy after each attack against its budget, a panel for each; dotted: before, dashed: after random changes."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _levels, base

ORDER = ("hotflip", "typo", "shift", "pgd", "prefix", "windows", "reversal")  # the first are shown where not all can be
ACROSS, DATA = 4, 3  # panels of a row, and data sets
RANDOM: dict[str, Any] = {"color": base.GREY, "linestyle": (0, (4, 1.5)), "linewidth": 1.0}
BEFORE: dict[str, Any] = {"linestyle": ":", "linewidth": 1.0}
WHOLE = "all"  # the budget of an attack without one


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means with 95 % t intervals over the finished seeds, and a dot for every seed: a line for each point, a row
    of panels for each data set. Random changes are the mean over all lines of a panel."""
    rows = base.attack_shares(frames)
    if rows.empty:
        return None
    several = "data" in frames.axes and rows["data"].nunique() > 1
    names = list(dict.fromkeys(rows["data"])) if several else [""]
    shown = base.spread_evenly(names, DATA)
    cells = [(name, attack) for name in shown for attack in _choose(rows, shown)]
    figure, panels = base.grid(len(cells), ACROSS, 1.45, sharey=True)
    room = (base.COLUMN if len(cells) == 1 else base.FULL / base.across(panels[0])) * 72 - 36
    groups: list[_levels.Group] = []
    for axes, (name, attack) in zip(panels, cells, strict=True):
        own = rows[rows["attack"] == attack]
        own = own[own["data"] == name] if several else own
        found, left_out = _levels.groups(frames, own, "budget")
        groups = [(line, runs, {**style, "linestyle": "-"}, dodge / 2) for line, runs, style, dodge in found]
        _draw(axes, own, groups, room)
        axes.set_title(base.fit(f"data={name}: {attack}" if several else attack, room, 2))
        axes.set_ylabel("accuracy\n(share of items)" if base.leftmost(axes) else "")
    panels[0].set_ylim(-0.03, 1.03)
    entries = _levels.name_groups(panels[-1], groups)
    entries += [(base.swatch(color=base.GREY, **BEFORE), "before"), (base.swatch(**RANDOM), "random changes")]
    base.legend(figure, entries)
    base.headline(figure, "How easily is each stack fooled?", f"{rows['items'].max()} test items of each run")
    seeds = max(point.count for point in base.points(frames))
    note = "random changes: mean over all lines" if len(groups) > 1 else ""
    base.note(figure, base.describe_mean(seeds), note, left_out, base.left_out(len(shown), len(names), "data sets"))
    return figure


def _choose(rows: pd.DataFrame, shown: list[Any]) -> list[str]:
    """Returns the attacks that have a panel: all of them, or in a row for each of several data sets those that fit."""
    ran = [set(own["attack"]) for _, own in rows.groupby("data")] if len(shown) > 1 else [set(rows["attack"])]
    names = [name for name in rows["attack"].unique() if all(name in each for each in ran)]
    first = sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    return first[:ACROSS] if len(shown) > 1 else [str(name) for name in rows["attack"].unique()]


def _draw(axes: Axes, rows: pd.DataFrame, groups: list[_levels.Group], room: float) -> None:
    """Draws the lines of one attack, the accuracies before it and those after random changes."""
    whole = bool(rows["budget"].isna().all())
    budgets = [WHOLE] if whole else sorted(rows["budget"])
    scale = base.scale("budget", budgets)
    for name, own, style, dodge in groups:
        own = own.assign(budget=WHOLE) if whole else own
        _levels.line(axes, scale, (name, own, style, dodge), "accuracy", most=1.0, markersize=3)
        clean = base.finite(own.drop_duplicates("run")["clean"])
        if len(clean):
            axes.axhline(float(np.mean(clean)), color=style["color"], **BEFORE, label="before")
    means = rows.assign(budget=WHOLE).groupby("budget") if whole else rows.groupby("budget")
    random = means["random"].mean()
    at, values = [scale.at(base.plain(level)) for level in random.index], list(random)
    if whole:  # a level of its own
        at, values = [-0.4, 0.4], values * 2
    axes.plot(at, values, **RANDOM, label="random")
    scale.dress(axes, "x", room)
    axes.set_xlabel("tokens" if whole else base.fit(f"budget ({rows['unit'].iloc[0]})", room, 2))
