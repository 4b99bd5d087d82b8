"""Reading the files of a study into frames."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stackcli.common.atomic_files import CorruptionError, write_json
from stackcli.common.records import LayerRow, StackRow, StepRow
from stackcli.experiment import load
from stackcli.experiment.attack_scores import attack_path
from stackcli.experiment.store import Store
from stackcli.experiment.study_rows import Columns
from tests.experiment.examples import empty_study, publish_run, replace_file, study_entry


def test_columns_of_many_runs_are_the_frame_of_their_rows() -> None:
    heads = [
        {"run": r, "arm": "", "point": f"lr={x}", "seed": s, "lr": x} for r, s, x in (("a", 0, 0.1), ("b", 1, 0.2))
    ]
    rows = [
        [{"step": 0, "layer": 1, "tensor": "qkv", "g1": 0.5}, {"step": 4, "layer": 1, "tensor": "block", "g4": 2}],
        [{"step": 0, "layer": 2, "tensor": "qkv", "g1": float("inf")}],
    ]
    made = Columns(LayerRow, ("lr",))
    for head, mine in zip(heads, rows, strict=True):
        made.add(head, mine)
    found = made.frame()
    expected = pd.DataFrame([{**h, **r} for h, mine in zip(heads, rows, strict=True) for r in mine])
    for name in expected:
        same = (found[name] == expected[name]) | (found[name].isna() & expected[name].isna())
        assert same.all(), name
    assert found["step"].dtype == np.int64 and found["cosine"].isna().all() and len(found) == 3


def test_a_value_of_a_row_comes_before_the_value_of_its_run() -> None:
    made = Columns(StepRow, ("lr",))
    made.add({"run": "a", "arm": "", "point": "", "seed": 0, "lr": 0.1}, [{"step": 1, "lr": 0.05}, {"step": 2}])
    assert made.frame()["lr"].tolist() == [0.05, 0.1]
    assert len(Columns(StepRow, ()).frame()) == 0


def test_layers_of_runs_recorded_before_the_lens_and_the_position_probe_have_no_such_numbers() -> None:
    made, head = Columns(StackRow, ()), {"arm": "", "point": "", "seed": 0}
    made.add({**head, "run": "old"}, [{"layer": 0, "probe_acc": 0.5, "cka": [1.0]}])
    made.add({**head, "run": "new"}, [{"layer": 0, "probe_acc": 0.5, "position_acc": 0.125, "lens_acc": 0.25}])
    found = made.frame()
    assert found["position_acc"].isna().tolist() == [True, False] and found["position_acc"].dtype == float
    assert found["lens_acc"].iloc[1] == 0.25 and found["lens_loss"].isna().all()


def test_findings_of_other_points_are_kept_when_remedies_grow(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.create()
    for point, reached in (("depth=16", 0.2), ("depth=32", 0.1)):
        known = {"found": {point: {"overfitting": [3, 3, False]}}, "reached": {"subjects": reached}}
        place.save_study(
            "s",
            {**empty_study(), "command": "remedies", "runs": [study_entry("abc")], "facts": {}, "known": known},
            grow=True,
        )
    found = load.load_study(place, "s").known
    assert set(found["found"]) == {"depth=16", "depth=32"} and found["reached"] == {"subjects": 0.1}


def test_what_attacks_do_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish_run(place)
    place.save_study("s", {**empty_study(), "command": "sweep", "runs": [study_entry("abc")], "facts": {}})
    assert load.load_study(place, "s").attacks.empty
    path = attack_path(place.root, "abc")
    kept = {"key": "k", "items": 9, "predicted": {"shift": False}, "masking": []}
    write_json(path, {**kept, "rows": [{"attack": "shift", "budget": 5.0, "flipped": 2}]})
    row = load.load_study(place, "s").attacks.iloc[0]
    assert (row["run"], row["seed"], row["status"], row["attack"]) == ("abc", ord("a"), "done", "shift")
    assert row["flipped"] == 2 and not row["predicted"] and row["masking"] == ""
    path.write_text("{")
    with pytest.raises(CorruptionError, match=r"scores\.json"):
        _ = load.load_study(place, "s").attacks


def test_a_run_without_one_of_its_fields_is_named_as_damaged(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish_run(place)
    place.save_study("s", {**empty_study(), "command": "sweep", "runs": [study_entry("abc")], "facts": {}})
    assert list(load.load_study(place, "s").runs["test_acc"]) == [0.5]
    replace_file(place.run("abc"), "position.json", '[{"name": "table"}]')
    frames = load.load_study(place, "s")  # which reads the position tables when a figure needs them
    with pytest.raises(CorruptionError, match="abc: damaged"):
        _ = frames.position
    replace_file(place.run("abc"), "curve.jsonl", "[1]\n")
    with pytest.raises(CorruptionError, match="abc"):
        load.load_study(place, "s")
