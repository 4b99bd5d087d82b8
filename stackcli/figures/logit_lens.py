"""Test accuracy of the stack's own classifier on each layer's output (logit lens); dotted, one trained on the layer."""

import pandas as pd
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _profiles, base


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means with 95 % t intervals over the finished seeds. Where the line is below the dotted one, the layer has
    the answer in a form that the stack's classifier does not read. At the last layer it is the stack itself."""
    table = _values(frames, "lens_acc")
    if table.empty:
        return None
    probe, dotted = _values(frames, "probe_acc"), base.swatch(color=base.GREY, **_profiles.BESIDE)
    return _profiles.draw(
        frames,
        table,
        "accuracy of the stack's\nclassifier (share)",
        "After which layer does the stack's own classifier find the answer?",
        most=1.0,
        beside=probe,
        extra=[(dotted, "a classifier trained on the layer")] if len(probe) else [],
        words="0: what enters block 1",
    )


def _values(frames: Frames, column: str) -> pd.DataFrame:
    """Returns the rows of the layers with a number in the column, which is their `value`."""
    rows = frames.stack
    if rows.empty or column not in rows:
        return pd.DataFrame()
    values = pd.to_numeric(rows[column])
    return rows.assign(value=values)[values.notna()]
