"""Loss on the train subset and on the validation part by step, a panel for each point; the best step is marked."""

from matplotlib.figure import Figure

from stackcli.figures import _curves, base
from stackcli.frames import Frames


@base.styled
def draw(frames: Frames) -> Figure | None:
    """Nats per example, dropout off, plain cross-entropy."""
    return _curves.draw(frames, "loss", "loss\n(nats per example)")
