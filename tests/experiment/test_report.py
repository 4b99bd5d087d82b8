"""What a study leaves behind: its files, its figures, and the command to type next."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stackcli.analysis.study_data import Frames
from stackcli.common.atomic_files import read_json
from stackcli.common.records import Result
from stackcli.common.registry import PartError
from stackcli.experiment import report
from stackcli.experiment.identity import digest
from stackcli.experiment.store import Store
from stackcli.figures import base
from tests.experiment.examples import empty_study, publish_run, study_entry
from tests.figures.factory import study

# ---- files


def test_files_that_differ_in_their_ending_alone_are_named_once(tmp_path: Path) -> None:
    names = ("table.csv", "accuracy.png", "accuracy.svg", "loss.png")
    files = [*(tmp_path / name for name in names), Path("other") / "x.csv"]
    assert report.abbreviate_files(files, tmp_path) == [
        "table.csv",
        "accuracy.{png,svg}",
        "loss.png",
        str(Path("other") / "x.csv"),
    ]


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
    (tmp_path / report.STAMP).write_text(json.dumps(stamp))
    (tmp_path / "curve.csv").write_text("mark")
    report.write_long_tables(frames, tmp_path)
    assert (tmp_path / "curve.csv").read_text() == "mark"
    report.write_long_tables(replace(frames, runs=frames.runs.assign(lr=0.5)), tmp_path)
    assert (tmp_path / "curve.csv").read_text() != "mark"


# ---- figures


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the figures that are drawn, in order: `loss` and `depth`, and `empty`, which shows nothing."""
    names: list[str] = []

    def load(name: str) -> Callable[[Frames], str | None]:
        def draw(frames: Frames) -> str | None:
            names.append(name)
            return None if name == "empty" else f"{name} of {len(frames.runs)}"

        return draw

    def save(figure: str, stem: Path, formats: tuple[str, ...]) -> list[Path]:
        paths = [stem.with_name(f"{stem.name}.{kind}") for kind in formats]
        for path in paths:
            path.write_text(figure)
        return paths

    monkeypatch.setattr(base, "figure_names", lambda: ("depth", "empty", "loss"))
    monkeypatch.setattr(base, "load_figure", load)
    monkeypatch.setattr(base, "save", save)
    return names


def test_figures_are_drawn_once_for_the_same_runs_and_formats(frames: Frames, drawn: list[str], tmp_path: Path) -> None:
    first = report.draw_study(frames, tmp_path, ("svg",))
    assert [p.name for p in first] == ["depth.svg", "loss.svg"] and drawn == ["depth", "empty", "loss"]
    assert report.draw_study(frames, tmp_path, ("svg",)) == first and len(drawn) == 3
    report.draw_study(frames, tmp_path, ("svg",), again=True)
    assert len(drawn) == 6
    (tmp_path / "loss.svg").unlink()
    report.draw_study(frames, tmp_path, ("svg",))
    assert len(drawn) == 9 and (tmp_path / "loss.svg").is_file()
    assert report.draw_study(frames, tmp_path, ()) == [] and len(drawn) == 9


def test_one_figure_drawn_alone_leaves_the_others_unless_the_runs_have_changed(
    frames: Frames, drawn: list[str], tmp_path: Path
) -> None:
    report.draw_study(frames, tmp_path, ("svg",))
    report.draw_study(frames, tmp_path, ("svg",), ("loss",))
    assert sorted(p.name for p in tmp_path.glob("*.svg")) == ["depth.svg", "loss.svg"]
    assert read_json(tmp_path / report.STAMP)["files"] == ["loss.svg", "depth.svg"]
    report.draw_study(replace(frames, runs=frames.runs.iloc[:2]), tmp_path, ("svg",), ("loss",))
    assert [p.name for p in tmp_path.glob("*.svg")] == ["loss.svg"]
    assert (tmp_path / "loss.svg").read_text() == "loss of 2"


def test_figures_of_other_runs_are_deleted_and_named(frames: Frames, drawn: list[str], tmp_path: Path) -> None:
    report.draw_study(frames, tmp_path, ("png", "svg"))
    assert report.delete_outdated(frames, tmp_path) == []
    (said,) = report.delete_outdated(replace(frames, runs=frames.runs.iloc[:2]), tmp_path)
    assert said.startswith("depth.{png,svg}, loss.{png,svg}: drawn from other runs than the study has now, and deleted")
    assert list(tmp_path.iterdir()) == []
    assert report.delete_outdated(frames, tmp_path) == []


def test_a_figure_of_an_installed_package_that_fails_is_left_out_unless_it_was_asked_for(
    frames: Frames,
    drawn: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = base.load_figure

    def load(name: str) -> Any:
        if name == "depth":
            raise PartError("figures=depth: broken on purpose")
        return real(name)

    monkeypatch.setattr(base, "load_figure", load)
    assert [p.name for p in report.draw_study(frames, tmp_path, ("svg",))] == ["loss.svg"]
    assert capsys.readouterr().err == "figure depth is left out: figures=depth: broken on purpose\n"
    with pytest.raises(PartError, match="on purpose"):
        report.draw_study(frames, tmp_path, ("svg",), ("depth",))


# ---- `plot`


def test_plot_says_which_studies_there_are_and_what_to_run_first(drawn: list[str], tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.create()
    with pytest.raises(ValueError, match="no study yet; run stackattn sweep"):
        report.redraw(place.root, "", ("svg",), ())
    saved = {**empty_study(), "command": "sweep", "runs": [study_entry("abc")], "facts": {}}
    place.save_study("mine", saved)
    with pytest.raises(ValueError, match=r"yours: no such study in .*; there are mine"):
        report.redraw(place.root, "yours", ("svg",), ())
    with pytest.raises(ValueError, match="mine: none of its 1 runs has finished"):
        report.redraw(place.root, "", ("svg",), ())
    publish_run(place)
    assert [p.name for p in report.redraw(place.root, "", ("svg",), ("loss",))] == ["loss.svg"]


def test_parts_that_were_edited_since_a_study_are_named(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.create()
    publish_run(place)
    place.save_study("s", {**empty_study(), "command": "sweep", "runs": [study_entry("abc")], "facts": {}})
    assert report.describe_edits(place.root, "s") == "" == report.describe_edits(place.root, "no such study")
    path = place.run("abc") / "config.json"
    written = json.loads(path.read_text())
    written["source"]["pe"] = "0" * 16
    path.write_text(json.dumps(written))
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
