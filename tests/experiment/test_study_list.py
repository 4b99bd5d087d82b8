"""The studies of a store."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from stackcli.experiment import study_list
from stackcli.experiment.identity import ConflictError
from stackcli.experiment.store import Store
from tests.experiment.store_examples import STUDY, filled_store, hold_claim, save_study


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = filled_store(tmp_path)
    save_study(store, "half", ("cc33", "ffff"))
    return store


def test_a_study_is_listed_with_its_finished_and_planned_runs(store: Store) -> None:
    rows = {row["study"]: row for row in study_list.list_studies(store)}
    assert next(iter(rows)) == "half" and set(rows) == {"half", "both", "one"}
    assert (rows["half"]["finished"], rows["half"]["planned"], rows["half"]["axes"]) == (1, 2, ["depth"])
    assert rows["both"]["bytes"] == (store.study("both") / "study.json").stat().st_size
    head, *lines = study_list.study_lines(list(rows.values()))
    assert head.split() == ["study", "runs", "axes", "command", "age", "size"]
    assert lines[0].split()[:6] == ["half", "1", "of", "2", "depth", "sweep"]


@pytest.mark.parametrize("width", [40, 80])
def test_the_table_fits_the_terminal_and_keeps_each_study(width: int, store: Store) -> None:
    out = io.StringIO()
    Console(width=width, file=out).print(study_list.studies_table(list(study_list.list_studies(store))))
    assert max(map(len, out.getvalue().splitlines())) <= width and {"half", "both", "one"} <= set(
        out.getvalue().split()
    )


def test_a_study_is_shown_with_its_axes_points_and_command(store: Store) -> None:
    found = study_list.describe_study(store, "half")
    assert found["values"] == {"depth": [1, 2]} and found["seeds"] == [0] and found["base"] == STUDY["base"]
    assert found["points"] == {"depth=1": [1, 1], "depth=2": [0, 1]} and found["statuses"] == {"done": 1, "missing": 1}
    assert found["line"] == f"stackattn sweep depth=1,2 --study half --out {store.root}"
    lines = list(study_list.describe_lines(found))
    assert ("runs", "1 of 2 finished, 1 missing") in lines and ("", "depth=2: 0 of 1") in lines


def test_the_command_of_a_study_without_the_words_typed_is_not_invented(store: Store) -> None:
    words = {"command": "sweep", "axes": ["arm"], "overrides": ["A: depth=1"]}
    assert study_list.command_line("s", words, store) == ""
    assert study_list.command_line("s", {**words, "axes": [], "overrides": []}, store).startswith("stackattn sweep")
    remedies = {"command": "remedies", "axes": ["remedy"], "overrides": ["depth=1,16", "data.text=a b"]}
    assert study_list.command_line("s", remedies, store).startswith('stackattn ablate-depth depth=1,16 "data.text=a b"')


def test_a_renamed_study_has_its_files_under_the_new_name(store: Store) -> None:
    before = (store.study("half") / "study.json").read_bytes()
    study_list.rename_study(store, "half", "new")
    assert (store.study("new") / "study.json").read_bytes() == before and not store.study("half").exists()
    assert store.studies()[0] == "new"


def test_a_name_that_exists_or_is_none_is_refused(store: Store) -> None:
    for new, kind in (("one", ConflictError), ("half", ConflictError), ("../x", ValueError), ("", ValueError)):
        with pytest.raises(kind):
            study_list.rename_study(store, "half", new)
    assert set(store.studies()) == {"half", "both", "one"} and not list(store.root.glob("x*"))


def test_a_study_whose_run_is_being_trained_is_not_renamed(store: Store) -> None:
    lock = hold_claim(store, "ffff")
    with pytest.raises(ConflictError, match="1 run is being trained"):
        study_list.rename_study(store, "half", "new")
    lock.release()
    study_list.rename_study(store, "half", "new")
