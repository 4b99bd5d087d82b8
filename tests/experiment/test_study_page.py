"""What a page tells of a study."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stackcli.common.atomic_files import CorruptionError, write_json
from stackcli.experiment import study_page
from stackcli.experiment.study_page import hide_folders
from tests.experiment.page_examples import FOLDER, explanation, hostile_study, keep_explanation
from tests.figures.factory import study


def test_a_page_says_what_was_run_on_what_and_how_to_run_it_again(tmp_path: Path) -> None:
    page = study_page.read_study_page(hostile_study(tmp_path / "out"), "")
    assert page.name == "hostile" and page.about[0].startswith("8 runs: label = <script>")
    assert page.about[1] == "Status: 8 done." and page.data[0].startswith("data=d: 8 train, 4 validation, 4 test")
    assert ("dim", "64") in page.settings and "seed" not in dict(page.settings) and "label" not in dict(page.settings)
    assert page.provenance == (("training time of all runs", "8 s"),)
    assert page.lines[0].startswith("stackattn sweep 'label=<script>") and page.shared == "stackattn train"
    assert page.folders == {f"{FOLDER}/d.csv": "d.csv"}


def test_explanations_of_other_runs_are_left_out(tmp_path: Path) -> None:
    store = hostile_study(tmp_path / "out")
    for run, name in (("hostile00", "b"), ("hostile00", "a"), ("another", "c")):
        keep_explanation(store, run, name, explanation(name))
    found = study_page.read_study_page(store, "hostile").explanations
    assert [(row["run"], row["text"]) for row in found] == [("hostile00", "a"), ("hostile00", "b")]
    write_json(store.root / "explanations" / "hostile00" / "d.json", {"text": "x"})
    with pytest.raises(CorruptionError, match=r"d.json: damaged \(tokens, probability"):
        study_page.read_study_page(store, "hostile")


def test_provenance_names_every_version_once_and_adds_up_the_time() -> None:
    one = {"seconds": 2.0, "finished": "2026-02-01", "torch": "2.6", "system": "Linux"}
    other = {"seconds": 3.4, "finished": "2026-01-01", "torch": "2.13", "system": "Linux"}
    assert dict(study_page.describe_provenance([one, other])) == {
        "training time of all runs": "5 s",
        "trained": "2026-01-01 to 2026-02-01",
        "torch": "2.13, 2.6",
        "system": "Linux",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("data.path=/a/b/c.csv lr=1", "data.path=c.csv lr=1"),
        ("'/a/b/c.csv'", "'c.csv'"),
        ("/a/b/c.csv2 x/a/b/c.csv", "/a/b/c.csv2 x/a/b/c.csv"),
        (r"C:\d\c.csv", "c.csv"),
    ],
)
def test_absolute_paths_become_names(text: str, shown: str) -> None:
    settings: list[dict[str, Any]] = [
        {"data.path": "/a/b/c.csv", "x": "/", "y": "relative/c", "z": 1},
        {"data.path": r"C:\d\c.csv"},
    ]
    folders = study_page.folder_names(settings)
    assert folders == {"/a/b/c.csv": "c.csv", r"C:\d\c.csv": "c.csv"}
    assert hide_folders(text, folders) == shown


def test_the_line_of_an_experiment_is_one_for_each_arm_and_a_search_has_none() -> None:
    frames = replace(study({"arm": ["a", "b"]}), overrides=("a: depth=1", "b: depth=2"))
    assert study_page.study_lines(frames) == ["stackattn sweep depth=1", "stackattn sweep depth=2"]
    assert study_page.study_lines(replace(frames, command="search")) == []
    frames = replace(frames, axes=("remedy",), command="remedies", overrides=("depth=8", "--remedies"))
    assert study_page.study_lines(frames) == ["stackattn ablate-depth depth=8 --remedies"]


def test_settings_are_shared_where_all_runs_have_the_same_value() -> None:
    settings = [{"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2}]
    assert study_page.shared_settings(settings) == {"a": 1}


@pytest.mark.slow  # each figure has fast tests of its own
def test_every_figure_of_a_study_is_drawn() -> None:
    drawn = study_page.draw_figures(study({"depth": [1, 2]}, seeds=2))
    assert {"accuracy", "loss", "fit"} <= set(drawn) and all(b"<svg" in file for file in drawn.values())
    assert list(study_page.draw_figures(study({"depth": [1, 2]}, seeds=2), ["loss"])) == ["loss"]
