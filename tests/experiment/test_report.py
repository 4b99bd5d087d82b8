"""What a study leaves behind: its files, its figures, and the command to type next."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest

from stackcli.analysis.study_data import Frames
from stackcli.common.atomic_files import write_json
from stackcli.common.records import Result
from stackcli.experiment import report, study_figures
from stackcli.experiment.identity import digest
from stackcli.experiment.store import Store
from tests.experiment.examples import empty_study, publish_run, replace_file, study_entry
from tests.figures.factory import study

# ---- tables


@pytest.fixture(scope="module")
def frames() -> Frames:
    found = study({"depth": [1, 2]}, seeds=2)
    return replace(found, runs=found.runs.assign(grad_ratio_init=1.0, free_ratio_init=1.0, params=1))


def test_runs_csv_has_a_row_for_each_run_and_no_answers_to_single_items(frames: Frames, tmp_path: Path) -> None:
    answers = replace(frames, runs=frames.runs.assign(test_right="0110"))
    written = {path.name for path in report.write_tables(answers, tmp_path)}
    assert written == {path.name for path in tmp_path.iterdir()}
    rows = pd.read_csv(tmp_path / "runs.csv")
    assert list(rows["run"]) == list(frames.runs["run"]) and "test_right" not in rows
    assert len(pd.read_csv(tmp_path / "layers.csv")) == len(frames.layers)


def test_tables_that_a_study_no_longer_has_are_deleted(frames: Frames, tmp_path: Path) -> None:
    old = ("orders.csv", "findings.csv", "remedies.csv", "stack.csv")
    for name in old:
        (tmp_path / name).write_text("of another study")
    sweep = replace(frames, stack=pd.DataFrame())  # a sweep has no findings, and this one no test without an order
    written = {path.name for path in report.write_tables(sweep, tmp_path)}
    assert not written & set(old) and not any((tmp_path / name).exists() for name in old)


def test_long_tables_are_written_again_only_where_the_runs_have_changed(frames: Frames, tmp_path: Path) -> None:
    report.write_long_tables(frames, tmp_path)
    (tmp_path / "curve.csv").write_text("mark")
    report.write_long_tables(frames, tmp_path)
    assert (tmp_path / "curve.csv").read_text() != "mark"  # there are no figures that say which runs these are
    stamp = {"runs": digest(frames.runs.to_json()), "files": []}
    write_json(tmp_path / study_figures.STAMP, stamp)
    (tmp_path / "curve.csv").write_text("mark")
    report.write_long_tables(frames, tmp_path)
    assert (tmp_path / "curve.csv").read_text() == "mark"
    report.write_long_tables(replace(frames, runs=frames.runs.assign(lr=0.5)), tmp_path)
    assert (tmp_path / "curve.csv").read_text() != "mark"


# ---- parts


def test_parts_that_were_edited_since_a_study_are_named(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.create()
    publish_run(place)
    place.save_study("s", {**empty_study(), "command": "sweep", "runs": [study_entry("abc")], "facts": {}})
    assert report.describe_edits(place.root, "s") == "" == report.describe_edits(place.root, "no such study")
    written = json.loads((place.run("abc") / "config.json").read_text())
    written["source"]["pe"] = "0" * 16
    replace_file(place.run("abc"), "config.json", json.dumps(written))
    for name in ("s", ""):
        assert report.describe_edits(place.root, name).startswith("pe=learned: edited since these runs;")


def test_a_study_with_rows_has_their_table_and_one_without_has_none(tmp_path: Path) -> None:
    frames = study({"depth": (1, 2)})
    columns = dict.fromkeys([*frames.runs.columns, *(f.name for f in fields(Result))])
    frames = replace(frames, runs=frames.runs.reindex(columns=list(columns)))
    written = {path.name: path for path in report.write_tables(frames, tmp_path)}
    lines = written["stack.csv"].read_text().splitlines()
    assert len(lines) == 1 + len(frames.stack) and "probe_acc" in lines[0] and "cka" in lines[0]
    bare = replace(frames, stack=frames.stack.iloc[:0])
    assert "stack.csv" not in {path.name for path in report.write_tables(bare, tmp_path)}
