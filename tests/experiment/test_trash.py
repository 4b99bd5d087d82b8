"""Runs and studies that are removed and restored."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stackcli.experiment import trash
from stackcli.experiment.identity import ConflictError
from stackcli.experiment.store import Store
from stackcli.experiment.verification import find_faults
from tests.experiment.examples import publish_run
from tests.experiment.store_examples import content, filled_store, hold_claim, save_study


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return filled_store(tmp_path)


def test_a_removed_run_is_in_the_trash_whole_and_comes_back_as_it_was(store: Store) -> None:
    before = content(store, "aa11")
    moved, stay = trash.remove_runs(store, ["aa11"])
    assert stay == [] and set(store.ids()) == {"ab22", "cc33"}
    place = moved["aa11"]
    assert place.name.endswith("-aa11") and {f.name for f in place.iterdir()} == {"trash.json", "content"}
    assert {f.name: f.read_bytes() for f in (place / "content").iterdir()} == before
    trash.restore_run(store, trash.find_removed(store, "aa", "run"))
    assert content(store, "aa11") == before and list((store.root / "trash").iterdir()) == []


def test_a_study_keeps_its_line_for_a_removed_run_and_verify_finds_no_fault(store: Store) -> None:
    newest = store.studies()
    trash.remove_runs(store, ["aa11"])
    (first, second) = store.read_study("both")["runs"]
    assert (first["published"], second["published"]) == (False, True)
    assert store.read_study("one")["runs"][0]["published"] is False
    assert find_faults(store) == [] and store.studies() == newest
    trash.restore_run(store, trash.read_trash(store)[0])
    assert [r["published"] for r in store.read_study("both")["runs"]] == [True, True] and find_faults(store) == []


def test_a_run_that_is_being_trained_stays(store: Store) -> None:
    lock = hold_claim(store, "aa11")
    moved, stay = trash.remove_runs(store, ["aa11", "ab22", "ffff"])
    assert list(moved) == ["ab22"] and stay == ["aa11", "ffff"] and store.finished("aa11")
    assert trash.is_trained_now(store, "aa11") and not trash.is_trained_now(store, "cc33")
    lock.release()
    assert not trash.is_trained_now(store, "aa11")


def test_the_same_run_removed_twice_in_a_day_has_two_places(store: Store) -> None:
    for _ in range(2):
        trash.remove_runs(store, ["aa11"])
        if not store.finished("aa11"):
            publish_run(store, "aa11", loss=9.0)
    found = trash.read_trash(store)
    assert len(found) == 2 and found[0].folder != found[1].folder and found[0].when >= found[1].when
    with pytest.raises(ConflictError, match="trained again"):
        trash.restore_run(store, found[0])


def test_a_removed_study_leaves_its_runs_and_comes_back(store: Store) -> None:
    before = (store.study("both") / "study.json").read_bytes()
    assert trash.remove_study(store, "both") is not None and trash.remove_study(store, "both") is None
    assert store.studies() == ["one"] and len(store.ids()) == 3
    trash.restore_study(store, trash.find_removed(store, "both", "study"))
    assert (store.study("both") / "study.json").read_bytes() == before
    trash.remove_study(store, "both")
    save_study(store, "both", ("aa11",))
    with pytest.raises(ConflictError, match="there is one again"):
        trash.restore_study(store, trash.find_removed(store, "both", "study"))


def test_what_is_not_in_the_trash_is_said_with_what_is(store: Store) -> None:
    trash.remove_runs(store, ["aa11", "ab22"])
    for start, said in (("zz", "no run"), ("a", "several"), ("", "no run")):
        with pytest.raises(ValueError, match=said) as error:
            trash.find_removed(store, start, "run")
        assert "aa11" in str(error.value) and "ab22" in str(error.value)
    with pytest.raises(ValueError, match="there are: none"):
        trash.find_removed(store, "aa11", "study")


def test_an_id_of_a_run_that_has_not_finished_is_explained(store: Store) -> None:
    lock = hold_claim(store, "eeee")
    with pytest.raises(ValueError, match="being trained at the moment"):
        trash.find_run(store, "ee")
    lock.release()
    with pytest.raises(ValueError, match="no run of that id"):
        trash.find_run(store, "ee")
    assert trash.find_run(store, "aa") == "aa11"


PROGRAM = """
import sys
from pathlib import Path
from stackcli.experiment import trash
from stackcli.experiment.store import Store
moved, stay = trash.remove_runs(Store(Path(sys.argv[1])), ["aa11", "ab22", "cc33"])
print(" ".join(moved))
"""


def test_two_removals_at_once_move_each_run_once_and_leave_the_studies_whole(store: Store) -> None:
    command = [sys.executable, "-c", PROGRAM, str(store.root)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    moved = [run for process in both for run in process.communicate(timeout=60)[0].split()]
    assert sorted(moved) == ["aa11", "ab22", "cc33"] and [p.returncode for p in both] == [0, 0]
    assert {r.name for r in trash.read_trash(store)} == set(moved) and store.ids() == []
    for name in ("one", "both"):
        path = store.study(name) / "study.json"
        assert all(entry["published"] is False for entry in json.loads(path.read_text())["runs"])
