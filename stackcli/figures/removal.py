"""Test accuracy lost where one layer of the trained stack is left out, by layer, a line for each point."""

import pandas as pd
from matplotlib.figure import Figure

from stackcli.analysis.study_data import Frames
from stackcli.figures import _profiles, base


@base.draw_in_style
def draw(frames: Frames) -> Figure | None:
    """Draws means with 95 % t intervals over the finished seeds. Near zero, the stack does not need the layer."""
    table = _table(frames)
    if table.empty:
        return None
    unit = "accuracy lost without\nthe layer (share)"
    return _profiles.draw(frames, table, unit, "Which layers does the stack need?", level=0.0)


def _table(frames: Frames) -> pd.DataFrame:
    """Returns `run`, `point`, `layer` and `value`: test accuracy minus that without the layer, of finished runs."""
    rows = frames.stack
    if rows.empty or "without_acc" not in rows:
        return pd.DataFrame()
    done = base.finished_runs(frames.runs)
    whole = done.drop_duplicates(["run", "point"]).set_index(["run", "point"])["test_acc"]
    rows = rows.join(whole, on=["run", "point"])
    lost = pd.to_numeric(rows["test_acc"]) - pd.to_numeric(rows["without_acc"])
    return rows.assign(value=lost)[lost.notna()]
