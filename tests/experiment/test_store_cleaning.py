"""What no one needs, and its deletion."""

import os
import time
from pathlib import Path

import pytest

from stackcli.common.atomic_files import write_json
from stackcli.experiment import store_cleaning, trash
from stackcli.experiment.store import Store
from tests.experiment.store_examples import content, filled_store, hold_claim

OLD = time.time() - 10 * 86_400


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return filled_store(tmp_path)


def old_file(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (OLD, OLD))
    os.utime(path.parent, (OLD, OLD))
    return path


def names(store: Store, **options: bool | float) -> dict[str, str]:
    found = store_cleaning.find_waste(store, **options)  # type: ignore[arg-type]
    return {w.path.relative_to(store.root).as_posix(): w.why for w in found}


def test_a_store_in_use_has_nothing_to_delete(store: Store) -> None:
    trash.remove_runs(store, ["aa11"])
    assert names(store) == {} and list(store_cleaning.describe_waste(store, [])) == ["nothing to delete"]


def test_what_killed_processes_left_is_found_and_what_runs_use_is_not(store: Store) -> None:
    old_file(store.root / "attempts" / "aa11-12345678" / "config.json")
    old_file(store.root / "attempts" / "aa11.log")
    old_file(store.root / "attempts" / "eeee.log")  # of a run that has not finished since
    old_file(store.root / "checkpoints" / "aa11" / "step-1.pt", "1234")
    old_file(store.root / "checkpoints" / "eeee" / "step-1.pt")  # from which the run goes on
    old_file(store.root / "facts" / ".d.json.12345678.tmp")
    old_file(store.root / "claims" / "dddd.lock")
    old_file(store.root / "claims" / "study-both.lock")
    assert names(store) == {
        "attempts/aa11-12345678": "attempt of a killed process",
        "attempts/aa11.log": "log of a run that finished later",
        "checkpoints/aa11": "checkpoint of a finished run",
        "claims/dddd.lock": "old claim",
        "facts/.d.json.12345678.tmp": "file of a killed process",
    }
    lock = hold_claim(store, "aa11")
    assert set(names(store)) == {"attempts/aa11.log", "claims/dddd.lock", "facts/.d.json.12345678.tmp"}
    lock.release()
    found = store_cleaning.find_waste(store)
    lines = list(store_cleaning.describe_waste(store, found))
    assert "     4 B  checkpoints/aa11  checkpoint of a finished run" in lines and lines[-1].startswith("     8 B")
    assert store_cleaning.delete_waste(store, found) == [] and names(store) == {}
    assert (store.root / "checkpoints" / "eeee" / "step-1.pt").is_file() and len(store.ids()) == 3


def test_what_a_process_takes_up_meanwhile_is_left(store: Store) -> None:
    old_file(store.root / "checkpoints" / "aa11" / "step-1.pt")
    found = store_cleaning.find_waste(store)
    lock = hold_claim(store, "aa11")
    assert store_cleaning.delete_waste(store, found) == found and found[0].path.is_dir()
    lock.release()


def test_the_trash_is_kept_for_so_many_days(store: Store) -> None:
    (place,) = trash.remove_runs(store, ["aa11"])[0].values()
    told = store.read(place / "trash.json")
    write_json(place / "trash.json", {**told, "removed": "2001-01-01T00:00:00+00:00"})
    trash.remove_study(store, "one")
    assert names(store) == {place.relative_to(store.root).as_posix(): "run in the trash"}
    assert len(names(store, days=0)) == 2
    store_cleaning.delete_waste(store, store_cleaning.find_waste(store))
    assert not place.exists() and [r.name for r in trash.read_trash(store)] == ["one"]


def test_runs_of_no_study_go_to_the_trash_only_where_that_is_asked_for(store: Store) -> None:
    before = content(store, "cc33")
    assert names(store) == {} and names(store, unused=True) == {"runs/cc33": "run of no study"}
    store_cleaning.delete_waste(store, store_cleaning.find_waste(store, unused=True))
    assert set(store.ids()) == {"aa11", "ab22"}
    trash.restore_run(store, trash.find_removed(store, "cc33", "run"))
    assert content(store, "cc33") == before


def test_caches_are_deleted_only_where_that_is_asked_for(store: Store) -> None:
    old_file(store.root / "cache" / "rows.bin")
    assert names(store) == {} and names(store, caches=True) == {"cache": "cache"}
    store_cleaning.delete_waste(store, store_cleaning.find_waste(store, caches=True))
    assert not (store.root / "cache").exists()
