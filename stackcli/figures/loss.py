"""Loss on the train subset and on the validation part by step, a panel for each point; the best step is marked."""

from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _curves, base


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Nats per example, dropout off, plain cross-entropy."""
    return _curves.draw(frames, "loss", "loss\n(nats per example)")
