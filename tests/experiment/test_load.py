"""A study's files as frames."""

import numpy as np
import pandas as pd

from stackcli.common.records import LayerRow, StepRow
from stackcli.experiment.load import _Columns


def test_columns_of_many_runs_are_the_frame_of_their_rows() -> None:
    heads = [
        {"run": r, "arm": "", "point": f"lr={x}", "seed": s, "lr": x} for r, s, x in (("a", 0, 0.1), ("b", 1, 0.2))
    ]
    rows = [
        [{"step": 0, "layer": 1, "tensor": "qkv", "g1": 0.5}, {"step": 4, "layer": 1, "tensor": "block", "g4": 2}],
        [{"step": 0, "layer": 2, "tensor": "qkv", "g1": float("inf")}],
    ]
    made = _Columns(LayerRow, ("lr",))
    for head, mine in zip(heads, rows, strict=True):
        made.add(head, mine)
    found = made.frame()
    expected = pd.DataFrame([{**h, **r} for h, mine in zip(heads, rows, strict=True) for r in mine])
    for name in expected:
        same = (found[name] == expected[name]) | (found[name].isna() & expected[name].isna())
        assert same.all(), name
    assert found["step"].dtype == np.int64 and found["cosine"].isna().all() and len(found) == 3


def test_what_a_row_says_itself_goes_before_what_its_run_says() -> None:
    made = _Columns(StepRow, ("lr",))
    made.add({"run": "a", "arm": "", "point": "", "seed": 0, "lr": 0.1}, [{"step": 1, "lr": 0.05}, {"step": 2}])
    assert made.frame()["lr"].tolist() == [0.05, 0.1]
    assert len(_Columns(StepRow, ()).frame()) == 0
