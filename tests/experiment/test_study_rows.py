"""The rows of a study from its cache and from the files of its runs."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stackcli.common.atomic_files import CorruptionError
from stackcli.experiment import row_cache
from stackcli.experiment.load import load_study
from stackcli.experiment.run_files import RunFiles
from stackcli.experiment.store import Store
from stackcli.experiment.synthetic_store import publish_study, without_flushing

WORDS = ["data=majority", "depth=1,2", "pe=none,learned", "lr=1e-3", "keep=none", "seeds=1"]
NAMES = ("runs", "curve", "layers", "stack")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of four made-up runs of a study."""
    place = Store(tmp_path_factory.mktemp("whole") / "out")
    place.create()
    with without_flushing():
        publish_study(place, "s", WORDS)
    return place.root


@pytest.fixture
def store(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy of that store; few and new runs are kept too."""
    monkeypatch.setattr(row_cache, "FEWEST", 1)
    monkeypatch.setattr(row_cache, "SETTLED", 0.0)
    shutil.copytree(whole, tmp_path / "out")
    return Store(tmp_path / "out")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose files are read."""
    seen: list[str] = []
    before = RunFiles.lines

    def note(files: RunFiles, name: str) -> Any:
        seen.append(files.folder.name)
        return before(files, name)

    monkeypatch.setattr(RunFiles, "lines", note)
    return seen


def check_equal(found: Any, expected: Any) -> None:
    for name in NAMES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name), check_exact=True)


def without_cache(store: Store) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_cache, "FEWEST", 10**9)
        return load_study(store, "s")


def test_frames_through_the_cache_equal_those_without_it_with_their_types(store: Store, read: list[str]) -> None:
    first = load_study(store, "s")
    assert len(set(read)) == 4 and len(first.layers) == 3 * 9 * (1 + 2) * 2
    read.clear()
    again = load_study(store, "s")
    assert read == []
    check_equal(again, first)
    check_equal(again, without_cache(store))


def test_runs_that_were_added_are_read_and_the_others_are_not(store: Store, read: list[str]) -> None:
    before = set(load_study(store, "s").runs["run"])
    with without_flushing():
        publish_study(store, "s", [*WORDS[:-1], "seeds=2"])
    read.clear()
    grown = load_study(store, "s")
    assert set(read) == set(grown.runs["run"]) - before and len(set(read)) == 4
    check_equal(grown, without_cache(store))
    read.clear()
    check_equal(load_study(store, "s"), grown)
    assert read == []


def test_a_run_that_is_gone_is_a_row_without_numbers(store: Store) -> None:
    gone = load_study(store, "s").runs["run"][1]
    shutil.rmtree(store.run(gone))
    found = load_study(store, "s")
    assert found.runs["status"].tolist() == ["done", "missing", "done", "done"] and gone not in set(found.curve["run"])
    check_equal(found, without_cache(store))
    check_equal(load_study(store, "s"), found)


@pytest.mark.parametrize("name", ["result.json", "curve.jsonl", "layers.jsonl", "stack.jsonl", "provenance.json"])
def test_a_file_that_was_damaged_after_it_was_kept_is_named(store: Store, name: str) -> None:
    run = load_study(store, "s").runs["run"][2]
    path = store.run(run) / name
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(CorruptionError, match=rf"{run}.{name}: damaged"):
        load_study(store, "s")


def test_a_damaged_cache_is_not_used_and_is_made_again(store: Store, read: list[str]) -> None:
    first = load_study(store, "s")
    path = store.root / "cache" / "study-s"
    whole = path.read_bytes()
    for content in (b"", whole[:-9], whole.replace(b" 1 ", b" 0 ", 1), whole[:-1] + bytes([whole[-1] ^ 4])):
        path.write_bytes(content)
        read.clear()
        check_equal(load_study(store, "s"), first)
        assert len(set(read)) == 4 and path.read_bytes() == whole


def test_a_study_that_lists_a_run_twice_has_its_rows_twice(store: Store) -> None:
    study = store.read_study("s")
    study["runs"].append({**study["runs"][0], "point": "again"})
    store.save_study("s", study)
    first = load_study(store, "s")
    assert (first.curve["point"] == "again").sum() == 10
    check_equal(load_study(store, "s"), first)
