"""Faithfulness of each method of explanation, a panel a method; 0 is a random order, dotted a perfect explanation."""

import itertools

import pandas as pd
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _levels, base

PANELS, ACROSS = 9, 3


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means with 95 % t intervals over the finished seeds, and a dot for every seed, against the depth where it
    is swept, else the first axis; the most faithful method first. Faithfulness: how far the logit falls below that of
    random orders as tokens are left out, in standard deviations of the logit between random sets of equal size. The
    perfect explanation is that of a bag of words whose weights are known, on the same texts."""
    rows = base.method_rows(frames)
    if rows.empty or rows["faithfulness"].isna().all():
        return None
    by_data = "data" in frames.axes and len(frames.axes) > 1
    x = "method" if by_data else "depth" if "depth" in frames.axes else (*frames.axes, "point")[0]
    order = rows.groupby("method")["faithfulness"].mean().sort_values(ascending=False)
    shown = [str(name) for name in order.index[:PANELS]]
    parts = {f"data={base.safe_text(name)}": own for name, own in rows.groupby("data", sort=False)} if by_data else {}
    parts = dict(list(parts.items())[:PANELS]) or {name: rows[rows["method"] == name] for name in shown}
    scale = base.Scale("method", tuple(shown), "category") if by_data else base.scale(x, rows[x])
    figure, panels = base.grid(len(parts), ACROSS, 1.6 if by_data else 1.25, sharey=True)
    room = (base.COLUMN if len(parts) == 1 else base.FULL / base.across(panels[0])) * 72 - 40
    for axes, (name, own) in zip(panels, parts.items(), strict=True):
        groups, left_out = _levels.groups(frames, own, x)
        for group in groups:
            _levels.line(axes, scale, group, "faithfulness", markersize=3)
        axes.set_title(base.fit(name, room))
        axes.set_ylabel("faithfulness (SD)" if base.leftmost(axes) else "")
    _levels.name_levels(figure, panels, scale, room)
    for axes in panels:
        axes.axhline(0, color=base.GREY, linewidth=0.6, label="random order")
    perfect = _perfect(frames.scores)
    seen = _levels.limits(panels[0], [0.0, *perfect])
    for axes, level in itertools.product(panels, perfect):
        if level in seen:
            axes.axhline(level, color=base.GREY, linewidth=0.8, linestyle=":", label="perfect")
    dotted = [(base.swatch(color=base.GREY, linestyle=":"), "a perfect explanation of a bag of words")]
    base.legend(figure, [*_levels.name_groups(panels[-1], groups), *(dotted if seen & set(perfect) else [])])
    base.headline(figure, "How faithful is each method of explanation?", "test items, at the end of training")
    seeds = max(point.count for point in base.points(frames))
    above = f"a perfect explanation of a bag of words: {perfect[0]:.1f}" if perfect and perfect[0] not in seen else ""
    rest = base.left_out(len(shown), len(order), "methods")
    base.note(figure, base.describe_mean(seeds), "0: a random order", above, left_out, rest)
    return figure


def _perfect(scores: pd.DataFrame) -> list[float]:
    """Returns the mean faithfulness of the perfect explanation, in a list; empty without it."""
    values = scores.loc[scores["method"] == "perfect", "faithfulness"]
    found = base.finite(values[scores["control"].astype(bool)])
    return [float(found.mean())] if len(found) else []
