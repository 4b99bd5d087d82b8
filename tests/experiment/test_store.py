"""The store: files are published once, found again, and refused when they are damaged."""

import json
import os
import random
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from stackcli.common import atomic_files, records
from stackcli.common.atomic_files import CorruptionError
from stackcli.common.records import Result
from stackcli.config.settings import Config
from stackcli.experiment import serialization
from stackcli.experiment.identity import StoreError
from stackcli.experiment.store import Store
from stackcli.experiment.verification import find_faults
from tests.experiment.examples import default_config, publish_run


def test_a_broken_rename_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_files.write_file(tmp_path / "a", "old")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        atomic_files.write_file(tmp_path / "a", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish_run(place, loss=0.1 + 0.2)
    assert place.result("abc")["test_acc"] == 0.5
    assert place.result("abc")["gap_end"] != place.result("abc")["gap_end"]  # NaN survives
    assert atomic_files.read_lines(place.run("abc") / "curve.jsonl")[0]["train_loss"] == 0.1 + 0.2
    assert place.config("abc") == default_config()
    assert place.finished("abc") and not place.finished("abc", keep="best")


def test_files_are_strict_json(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish_run(place)
    text = (place.run("abc") / "result.json").read_text()
    assert '"NaN"' in text and json.loads(text)["gap_end"] == "NaN"
    with pytest.raises(ValueError, match="no JSON number"):
        records.loads('{"a": NaN}')


def test_publishing_a_second_time_changes_nothing(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish_run(place, loss=0.1)
    publish_run(place, loss=0.2)
    assert atomic_files.read_lines(place.run("abc") / "curve.jsonl")[0]["train_loss"] == 0.1
    assert list((place.root / "attempts").iterdir()) == []


def test_an_incomplete_last_line_is_skipped_and_a_bad_middle_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [r["step"] for r in atomic_files.read_lines(path)] == [1, 2]
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(CorruptionError, match="line 2 is damaged"):
        atomic_files.read_lines(path)


def test_a_flipped_bit_in_the_weights_is_found(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish_run(place, weights=serialization.to_bytes({"w": torch.ones(100)}))
    assert find_faults(place) == []
    path = place.run("abc") / "weights.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(CorruptionError, match=r"weights\.pt"):
        place.load_weights("abc")
    assert len(find_faults(place)) == 1


def state(step: int) -> dict[str, Any]:
    return {"step": step, "model": {"w": torch.full((50,), float(step))}}


@pytest.mark.parametrize("seed", range(40))
def test_a_death_inside_the_save_leaves_a_checkpoint_that_loads(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Store(tmp_path / "out")
    place.save_checkpoint("abc", state(1))
    calls, dies_at = [0], random.Random(seed).randrange(1, 9)

    def dying(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls[0] += 1
            if calls[0] == dies_at:
                raise SystemExit("killed")
            return real(*args, **kwargs)

        return call

    for owner, name in ((os, "replace"), (os, "fsync"), (Path, "unlink")):
        monkeypatch.setattr(owner, name, dying(getattr(owner, name)))
    died = False
    try:
        place.save_checkpoint("abc", state(2))
    except SystemExit:
        died = True
    monkeypatch.undo()
    loaded = place.load_checkpoint("abc")
    assert loaded is not None and loaded["step"] in ((1, 2) if died else (2,))
    assert bool((loaded["model"]["w"] == loaded["step"]).all())


def test_a_damaged_checkpoint_is_not_loaded(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    path = place.save_checkpoint("abc", state(1))
    path.write_bytes(path.read_bytes()[:-1])
    assert place.load_checkpoint("abc") is None


def test_a_store_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "out").create()
    (tmp_path / "out" / "stackattn.json").write_text('{"format": 99}')
    with pytest.raises(StoreError, match="newer"):
        Store(tmp_path / "out")


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("dear")
    with pytest.raises(StoreError, match="other things"):
        Store(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_file_is_refused_as_a_store(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(StoreError, match="a file, not a folder"):
        Store(tmp_path / "a")


def test_opening_a_store_writes_nothing(tmp_path: Path) -> None:
    assert not Store(tmp_path / "out").exists and list(tmp_path.iterdir()) == []


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(StoreError, match="write --out FOLDER"):
        Store(tmp_path / "a" / "b")


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish_run(place, "abc1")
    publish_run(place, "abd2")
    assert place.find("abc") == "abc1"
    with pytest.raises(ValueError, match="2 runs"):
        place.find("ab")
    with pytest.raises(ValueError, match="no run"):
        place.find("zz")


def test_no_setting_has_the_name_of_a_result() -> None:
    assert {f.name for f in fields(Config)} & {f.name for f in fields(Result)} == set()


def test_a_forced_run_replaces_the_old_one_only_when_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Store(tmp_path / "out")
    publish_run(place, loss=0.1)

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken, pytest.raises(OSError, match="disk full"):
        broken.setattr(os, "fsync", fail)
        publish_run(place, loss=0.2, replace=True)
    assert atomic_files.read_lines(place.run("abc") / "curve.jsonl")[0]["train_loss"] == 0.1
    publish_run(place, loss=0.2, replace=True)
    assert atomic_files.read_lines(place.run("abc") / "curve.jsonl")[0]["train_loss"] == 0.2
    assert list((place.root / "attempts").iterdir()) == [] and find_faults(place) == []


def test_a_run_that_kept_its_best_weights_does_not_count_where_the_last_are_needed(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    publish_run(place, weights=b"best")
    assert default_config().keep == "best" and place.finished("abc", "best") and place.finished("abc", "none")
    assert not place.finished("abc", "last")


def test_a_store_that_another_process_is_creating_is_accepted(tmp_path: Path) -> None:
    (tmp_path / ".stackattn.json.x1y2").write_text("{")
    Store(tmp_path).create()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(StoreError, match="a folder with other things in it"):
        Store(tmp_path / "other")


def test_one_process_at_a_time_claims_a_run_and_waiting_ends_with_a_stop(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    place = Store(tmp_path / "out")
    with place.claimed("abc", lambda: False) as first, place.claimed("abc", lambda: True) as second:
        assert first and not second
    with place.claimed("abc", lambda: True) as again:
        assert again


def test_an_older_checkpoint_deletes_no_newer_one(tmp_path: Path) -> None:
    place = Store(tmp_path / "out")
    place.save_checkpoint("abc", state(9))
    place.save_checkpoint("abc", state(5))
    found = place.load_checkpoint("abc")
    assert found is not None and found["step"] == 9
    (manifest,) = (place.root / "checkpoints" / "abc").glob("*9.json")
    manifest.write_text("[1")
    found = place.load_checkpoint("abc")
    assert found is not None and found["step"] == 5
