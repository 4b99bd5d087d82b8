"""Test accuracy of a linear classifier on each layer's output, a line for each point; a star is the whole stack."""

import pandas as pd
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _profiles, base


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means with 95 % t intervals over the finished seeds. Where a line turns flat, the layer has the answer, and
    later layers only pass it on. Layer 0 is what enters block 1."""
    rows = frames.stack
    if rows.empty or "probe_acc" not in rows or rows["probe_acc"].isna().all():
        return None
    values = pd.to_numeric(rows["probe_acc"])
    table = rows.assign(value=values)[values.notna()]
    whole = base.finished_runs(frames.runs).groupby("point")["test_acc"].mean()
    star = base.swatch(color=base.GREY, **_profiles.MARK)
    return _profiles.draw(
        frames,
        table,
        "accuracy of a linear\nclassifier (share)",
        "After which layer can the answer be read off?",
        most=1.0,
        marks={str(point): float(value) for point, value in whole.items()},
        extra=[(star, "the stack itself")],
        words="0: what enters block 1",
    )
