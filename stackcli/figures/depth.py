"""Accuracy, loss and overfitting gap against depth, train beside held-out data, one line for each other setting."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _levels, base

Looks = dict[str, tuple[str, dict[str, Any]]]  # column of the runs -> name, look
TICKS = 8  # of more depths only powers of two have a tick
SOLID: dict[str, Any] = {"fillstyle": "full", "linestyle": "-"}
HOLLOW: dict[str, Any] = {"fillstyle": "none", "linestyle": base.DASHES[1]}
ACCURACY: Looks = {"test_acc_end": ("test", SOLID), "train_acc_end": ("train", HOLLOW)}
LOSS: Looks = {"val_loss_end": ("validation", SOLID), "train_loss_end": ("train", HOLLOW)}
GAP: Looks = {"gap_end": ("end", SOLID), "gap_best": ("best validation", HOLLOW)}


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws the state at the last step, if at least two depths were swept. Low accuracy with a high train loss is
    underfitting, with a low train loss overfitting. Means with 95 % t intervals over seeds; dots: seeds."""
    runs = frames.runs if frames.runs.empty else frames.runs[frames.runs["status"] != "missing"]
    if runs.empty or base.finished_runs(runs).empty or "depth" not in frames.axes or runs["depth"].nunique() < 2:
        return None
    levels = sorted(base.plain(value) for value in runs["depth"].unique())
    scale = base.Scale("depth", tuple(levels), "log")
    groups, remark = _levels.groups(frames, runs, "depth")
    figure, ((left, middle, right),) = base.new(base.FULL, 2.2, 1, 3, sharex=True)
    for axes, unit, looks in (
        (left, "accuracy at the end (share)", ACCURACY),
        (middle, "loss at the end (nats)", LOSS),
        (right, "overfitting gap (nats)", GAP),
    ):
        _panel(axes, scale, groups, looks)
        axes.set_ylabel(unit)
        fills = [(base.swatch(color=base.GREY, marker="o", **look), words) for words, look in looks.values()]
        base.legend(figure, fills, axes, grow=axes is left)
    _levels.limits(left, [], least=0.1, most=1.0)
    _levels.limits(middle, [0.0])
    _levels.limits(right, [0.0])
    right.axhline(0, color=base.GREY, linewidth=0.6, label="zero")
    entries = [(base.swatch(**{**style, "linestyle": "-"}), name) for name, _, style, _ in groups if len(groups) > 1]
    base.legend(figure, entries + _levels.mark_broken_runs(left, scale, groups))
    seeds = runs["seed"].nunique()
    base.note(figure, f"{base.describe_mean(seeds)}, one split; dots: runs" if seeds > 1 else "", remark)
    return figure


def _panel(axes: Axes, scale: base.Scale, groups: list[_levels.Group], looks: Looks) -> None:
    """Draws two measures of every group, which differ in fill and dash."""
    for group in groups:
        for column, (_, look) in looks.items():
            _levels.line(axes, scale, group, column, **look)
    scale.dress(axes, "x", 120)
    first, last = scale.levels[0], scale.levels[-1]
    if len(scale.levels) > TICKS:
        axes.set_xticks([2**i for i in range(int(last).bit_length()) if 2**i >= first])
    axes.set_xlim(first / 1.3, last * 1.3)
