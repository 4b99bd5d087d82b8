"""Test accuracy of a linear classifier of a token's position on each layer's output, a line for each point."""

import pandas as pd
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _profiles, base


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means with 95 % t intervals over the finished seeds, and chance: a stack that treats all positions alike
    has exactly that."""
    rows = frames.stack
    if rows.empty or "position_acc" not in rows or rows["position_acc"].isna().all():
        return None
    values = pd.to_numeric(rows["position_acc"])
    table = rows.assign(value=values)[values.notna()]
    return _profiles.draw(
        frames,
        table,
        "accuracy of the\nposition probe (share)",
        "How long do the layers keep a token's position?",
        level=_profiles.CHANCE,
        most=1.0,
        words=f"grey: chance, {_profiles.CHANCE:g}; 0: what enters block 1",
    )
