"""Test accuracy against depth (or the first swept setting), and the overfitting gap below it."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _levels, base

# column of the runs -> name, fill of the marker, and dash in the lower panel
GAPS = {"gap_end": ("gap at the end", "full", "-"), "gap_best": ("gap at best validation", "none", ":")}
BASELINES = {"majority_acc": ("majority class", ":"), "tfidf_acc": ("TF-IDF + logistic regression", "-.")}


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means with 95 % t intervals over seeds, and a dot for every seed. The x axis is depth if it is swept."""
    runs = frames.runs if frames.runs.empty else frames.runs[frames.runs["status"] != "missing"]
    if runs.empty:
        return None
    name = "depth" if "depth" in frames.axes or not frames.axes else frames.axes[0]
    scale = base.scale(name, runs[name])
    groups, remark = _levels.groups(frames, runs, name)
    wide = len(scale.levels) > 10 or len(groups) > 4 or len(scale.levels) * len(groups) > 24
    size = base.FULL if wide else base.COLUMN
    figure, ((top,), (bottom,)) = base.new(size, 3.1, 2, 1, sharex=True, height_ratios=[3, 2])
    for group in groups:
        _levels.line(top, scale, group, "test_acc")
        for column, (_, fill, dash) in GAPS.items():
            _levels.line(bottom, scale, group, column, fillstyle=fill, linestyle=dash)
    scale.dress(bottom, "x", size * 72 - 45)
    top.set_ylabel("test accuracy\n(share)")
    bottom.set_ylabel("overfitting\ngap (nats)")
    bottom.axhline(0, color=base.GREY, linewidth=0.6, label="zero")
    known = _baselines(frames, scale)
    seen = _levels.limits(top, [value for _, _, value in known], least=0.15, most=1.0)
    _levels.limits(bottom, [0.0])
    entries = [(base.swatch(**style), key) for key, _, style, _ in groups if len(groups) > 1]
    entries += _lines(top, scale, known, seen) + _levels.mark_broken_runs(top, scale, groups)
    base.legend(figure, entries)
    fills = [(words, {"fillstyle": fill, "linestyle": dash}) for words, fill, dash in GAPS.values()]
    base.legend(figure, [(base.swatch(color=base.GREY, marker="o", **look), words) for words, look in fills], bottom)
    seeds = runs["seed"].nunique()
    base.note(figure, f"{base.describe_mean(seeds)}, one split; dots: runs" if seeds > 1 else "", remark)
    return figure


def _baselines(frames: Frames, scale: base.Scale) -> list[tuple[str, str, float]]:
    """Returns baseline, data set and accuracy; if the x axis shows data sets, only of those."""
    table = [(column, name, facts.get(column)) for column in BASELINES for name, facts in frames.facts.items()]
    known = [(column, name, value) for column, name, value in table if isinstance(value, int | float)]
    return [(column, name, value) for column, name, value in known if scale.name != "data" or name in scale.levels]


def _lines(
    axes: Axes, scale: base.Scale, known: list[tuple[str, str, float]], seen: set[float]
) -> list[tuple[Any, str]]:
    """Draws a horizontal line for each data set, a short one if the x axis shows data sets; returns legend entries."""
    entries = {}
    for column, name, value in known:
        words, dash = BASELINES[column]
        look: dict[str, Any] = {"color": base.GREY, "linestyle": dash, "linewidth": 0.9}
        if scale.name == "data":
            axes.hlines(value, scale.at(name, -0.4), scale.at(name, 0.4), **look, label=words)
        else:
            axes.axhline(value, **look, label=words)
            words += f" of {name}" if len({name for _, name, _ in known}) > 1 else ""
            words += f" ({value:.2f})" if value in seen else f" ({value:.2f}, outside the panel)"
        entries[words] = base.swatch(**look)
    return [(artist, words) for words, artist in entries.items()]
