"""Accuracy on the train subset and on the validation part by step, a panel for each point; the best step is marked."""

from matplotlib.figure import Figure

from stackcli.figures import _curves, base
from stackcli.frames import Frames


@base.styled
def draw(frames: Frames) -> Figure | None:
    """Shares of right answers, dropout off."""
    return _curves.draw(frames, "acc", "accuracy\n(share)")
