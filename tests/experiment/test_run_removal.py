"""Runs on their way to the trash."""

from pathlib import Path

import pytest

from stackcli.experiment import run_removal
from stackcli.experiment.identity import ConflictError
from stackcli.experiment.store import Store
from tests.experiment.store_examples import filled_store, hold_claim


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return filled_store(tmp_path)


def chosen(store: Store, *words: str) -> list[str]:
    return sorted(row["run"] for row in run_removal.choose_removed(store, words))


def test_runs_are_chosen_by_ids_or_by_conditions(store: Store) -> None:
    assert chosen(store, "aa", "cc33", "aa11") == ["aa11", "cc33"]
    assert chosen(store, "test_acc>0.55", "study=both") == ["ab22"]
    with pytest.raises(ValueError, match="2 runs of that id"):
        chosen(store, "a")
    with pytest.raises(ValueError, match="not both"):
        chosen(store, "aa11", "depth=2")
    with pytest.raises(ValueError, match="no run has depth=99"):
        chosen(store, "depth=99")


def test_a_run_that_is_being_trained_is_refused_before_anything_moves(store: Store) -> None:
    lock = hold_claim(store, "ab22")
    with pytest.raises(ConflictError, match=r"ab22: being trained.*Nothing was moved"):
        chosen(store, "aa11", "ab22")
    lock.release()
    assert chosen(store, "ab22") == ["ab22"]


def test_the_studies_that_lose_runs_are_named(store: Store) -> None:
    lines = list(run_removal.describe_removal(store, run_removal.choose_removed(store, ["aa11", "cc33"])))
    assert lines[0].startswith("2 runs, ") and len(lines) == 3
    assert {line.partition(";")[0] for line in lines[1:]} == {
        "study both loses 1 of 2 runs",
        "study one loses 1 of 1 run",
    }


def test_a_run_whose_file_is_damaged_can_be_removed_by_its_id(store: Store) -> None:
    (store.run("aa11") / "result.json").write_text("[")
    rows = run_removal.choose_removed(store, ["aa11"])
    assert [row["run"] for row in rows] == ["aa11"] and run_removal.remove_chosen(store, rows) == 0
    assert set(store.ids()) == {"ab22", "cc33"}


def test_the_exit_code_says_that_a_run_stayed(store: Store) -> None:
    rows = run_removal.choose_removed(store, ["aa11", "ab22"])
    lock = hold_claim(store, "ab22")
    assert run_removal.remove_chosen(store, rows) == 1 and set(store.ids()) == {"ab22", "cc33"}
    lock.release()
