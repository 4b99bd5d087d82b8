"""Loss on the train subset and on the validation part by step, a panel for each point; the best step is marked."""

from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _curves, base


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws plain cross-entropy in nats per example, with dropout off."""
    return _curves.draw(frames, "loss", "loss\n(nats per example)")
