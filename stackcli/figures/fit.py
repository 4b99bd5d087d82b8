"""Train loss, validation loss and their gap at the end of training, against depth (or the first swept setting)."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _levels, base

# column of the runs -> label
MEASURES = {
    "train_loss_end": "train loss\n(nats)",
    "val_loss_end": "validation loss\n(nats)",
    "gap_end": "overfitting gap\n(nats)",
}


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means with 95 % t intervals over seeds, and a dot for every seed. A high train loss is underfitting; a low
    train loss with a high validation loss is overfitting. A column for each data set, if several were swept."""
    runs = frames.runs if frames.runs.empty else frames.runs[frames.runs["status"] != "missing"]
    if runs.empty or base.finished_runs(runs).empty or not frames.axes:
        return None
    name = _levels.x_axis(frames)
    (parts, missing), scale = _levels.data_parts(frames, runs, name, _levels.ACROSS), base.scale(name, runs[name])
    columns = [column for column in MEASURES if column in runs and len(base.finite(runs[column]))]
    if not columns:
        return None
    single = len(parts) == 1
    shape = (1, len(columns)) if single else (len(columns), len(parts))
    figure, grid = base.new(base.FULL, 2.1 if single else 0.2 + 1.4 * len(columns), *shape, sharex=True)
    entries: dict[str, Any] = {}
    for i, (title, own) in enumerate(parts):
        panels = list(grid[0]) if single else list(grid[:, i])
        groups, remark = _levels.groups(frames, own, name)
        for axes, column in zip(panels, columns, strict=True):
            for group in groups:
                _levels.line(axes, scale, group, column)
            _levels.color_levels(axes, scale, groups)
            axes.set_ylabel(MEASURES[column] if single or i == 0 else "")
            _levels.limits(axes, [0.0])
            if column == "gap_end":
                axes.axhline(0, color=base.GREY, linewidth=0.6, label="zero")
            else:
                axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))
        panels[0].set_title("" if single else base.fit(title, 140))
        named = _levels.name_groups(panels[-1], groups) if i == len(parts) - 1 else []
        entries |= {words: artist for artist, words in named + _levels.mark_broken_runs(panels[0], scale, groups)}
    lowest: list[Axes] = list(grid[-1])
    _levels.name_levels(figure, lowest, scale, base.FULL * 72 / len(lowest) - 45)
    base.legend(figure, [(artist, words) for words, artist in entries.items()])
    base.headline(figure, "Does the stack underfit or overfit?", "at the end of training; gap: validation minus train")
    seeds = runs["seed"].nunique()
    base.note(figure, f"{base.describe_mean(seeds)}, one split; dots: runs" if seeds > 1 else "", remark, missing)
    return figure
