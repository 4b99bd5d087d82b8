"""Loss on the train subset and on the validation part by step, a panel for each point; the best step is marked."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stackcli.figures import base
from stackcli.frames import Frames

PANELS = 8
THIN = 5  # up to so many seeds each has a line of its own; more become a band
LOOKS: dict[str, dict[str, Any]] = {
    "train_loss": {"color": base.PALETTE[1], "linestyle": "-"},
    "val_loss": {"color": base.PALETTE[5], "linestyle": base.DASHES[1]},
}
NAMES = {"train_loss": "train", "val_loss": "validation"}


@base.styled
def draw(frames: Frames) -> Figure | None:
    """Means over the finished seeds up to the step that all of them reached; runs that diverged end in a cross."""
    found = [point for point in base.points(frames) if not _all(point, frames.curve).empty]
    if not found:
        return None
    shown = base.spread(found, PANELS)
    figure, panels = base.grid(len(shown), 4, 1.6, sharey=True)
    narrow = len(panels) > 1
    for axes, point in zip(panels, shown, strict=True):
        _panel(axes, point, frames)
        title = ", ".join(filter(None, [point.key, point.remark]))
        axes.set_title(base.fit(title, base.FULL * 72 / min(len(panels), 4) - 26 if narrow else 190, lines=3))
        axes.set_xlabel("step (optimiser steps)")
    for axes in panels:
        axes.set_ylabel("loss (nats per example)" if axes.get_subplotspec().is_first_col() else "")
    panels[0].set_ylim(*_limits(shown, frames.curve))
    base.legend(figure, _entries(shown))
    seeds = max(point.count for point in shown)
    spread = "thin: single runs" if seeds <= THIN else "band: 95 % t interval over seeds"
    base.note(figure, base.left_out(len(shown), len(found), "points"), spread if seeds > 1 else "")
    return figure
