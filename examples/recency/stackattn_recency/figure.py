"""Accuracy of each encoding, a dot for each seed: the smallest figure that a package can add."""

from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames


def draw(frames: Frames) -> Figure | None:
    """None where encodings were not compared: there is nothing to draw."""
    done = frames.runs[frames.runs["status"] == "done"]
    if "pe" not in frames.axes or done.empty:
        return None
    figure = Figure(figsize=(3.4, 2.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(done["pe"], done["test_acc"], "o", alpha=0.6)
    axes.set(xlabel="position encoding", ylabel="test accuracy (share)")
    return figure
