"""The stored runs as rows of settings and results."""

import json
import shutil
import zlib
from pathlib import Path

import pytest

from stackcli.common.atomic_files import CorruptionError
from stackcli.experiment import row_cache, run_index
from stackcli.experiment.run_index import read_rows
from stackcli.experiment.store import Store
from tests.experiment.examples import publish_run, replace_file, store_with_two_studies


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_with_two_studies(tmp_path)


def test_a_run_names_its_studies_and_its_point_in_the_newest(store: Store) -> None:
    rows = {row["run"]: row for row in read_rows(store)}
    assert rows["one"]["studies"] == ["newer", "older"] and rows["one"]["point"] == "depth=1"
    assert rows["two"]["studies"] == ["newer"] and rows["two"]["point"] == "depth=2"
    assert rows["alone"]["studies"] == [] and rows["alone"]["point"] == ""


def test_a_row_has_every_setting_and_every_number_of_the_result(store: Store) -> None:
    for row in read_rows(store):
        assert row.items() >= store.config(row["run"]).flat().items()
        assert row["test_acc"] == 0.5 and row["status"] == "done" and row["edited"] == []


@pytest.fixture
def kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Few and new runs are kept too; returns the runs that are read from their files."""
    monkeypatch.setattr(row_cache, "FEWEST", 1)
    monkeypatch.setattr(row_cache, "SETTLED", 0.0)
    read: list[str] = []
    before = run_index.read_content

    def note(place: Store, run: str) -> object:
        read.append(run)
        return before(place, run)

    monkeypatch.setattr(run_index, "read_content", note)
    return read


def test_kept_rows_equal_the_rows_of_the_files_with_their_types(store: Store, kept: list[str]) -> None:
    publish_run(store, "odd", test_acc=None, gap_best=float("inf"), by_length=((8, 0.5, 1.0, float("nan")),))
    first, again = list(read_rows(store)), list(read_rows(store))
    assert sorted(kept) == ["alone", "odd", "one", "two"]  # each once
    assert repr(again) == repr(first) and [list(row) for row in again] == [list(row) for row in first]
    assert [row["run"] for row in again] == store.ids()
    shutil.rmtree(store.root / "cache")
    assert repr(list(read_rows(store))) == repr(first)


def test_only_new_and_changed_runs_are_read_from_their_files(store: Store, kept: list[str]) -> None:
    list(read_rows(store))
    kept.clear()
    publish_run(store, "new")
    publish_run(store, "two", test_acc=0.75, replace=True)
    shutil.rmtree(store.run("alone"))
    rows = {row["run"]: row for row in read_rows(store)}
    assert sorted(kept) == ["new", "two"] and rows["two"]["test_acc"] == 0.75 and "alone" not in rows
    kept.clear()
    assert len(list(read_rows(store))) == 3 and kept == []


def test_a_run_that_was_damaged_after_it_was_kept_is_named(store: Store, kept: list[str]) -> None:
    list(read_rows(store))
    path = store.run("one") / "result.json"
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.9"))
    with pytest.raises(CorruptionError, match=r"one.result\.json: damaged"):
        list(read_rows(store))


def test_a_damaged_cache_is_made_again(store: Store, kept: list[str]) -> None:
    first = repr(list(read_rows(store)))
    path = store.root / "cache" / "runs"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert repr(list(read_rows(store))) == first and path.read_bytes() == whole
    row_cache.write_parts(path, [zlib.compress(b"[[],[],[[1]]]")])  # whole, with other content
    assert repr(list(read_rows(store))) == first and path.read_bytes() == whole


def test_a_run_that_has_just_changed_is_not_kept(
    store: Store, kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_cache, "SETTLED", 3600.0)
    list(read_rows(store))
    list(read_rows(store))
    assert sorted(kept) == sorted(2 * ["alone", "one", "two"])


def test_a_store_of_few_runs_has_no_cache(store: Store) -> None:
    list(read_rows(store))
    assert not (store.root / "cache").exists()


@pytest.mark.parametrize("fewest", [1, 100])
def test_edited_parts_of_some_runs_are_named_with_and_without_a_cache(
    store: Store, fewest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_cache, "FEWEST", fewest)
    config = json.loads((store.run("one") / "config.json").read_text())
    config["source"]["pe"] = "0" * 16
    replace_file(store.run("one"), "config.json", json.dumps(config))
    assert run_index.edited_since(store, ["one", "two", "gone"]) == ["pe=learned"]
    assert run_index.edited_since(store, ["two", "alone"]) == []
