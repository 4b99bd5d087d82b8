"""The files of a run are checked where they are read."""

import json
from pathlib import Path

import pytest

from stackcli.common.atomic_files import CorruptionError
from stackcli.experiment.run_files import RunFiles
from stackcli.experiment.store import Store
from tests.experiment.examples import publish_run


@pytest.fixture
def files(tmp_path: Path) -> RunFiles:
    store = Store(tmp_path / "out")
    publish_run(store, "abc", weights=b"best", test_acc=0.5)
    return store.files("abc")


def test_what_was_written_is_read(files: RunFiles) -> None:
    assert files.result()["test_acc"] == 0.5 and files.lines("curve.jsonl")[0]["step"] == 1
    assert files.json("position.json", kind=list) == [] and files.content("weights.pt") == b"best"
    assert files.find_faults(weights=True) == []


def test_a_number_that_is_still_a_number_after_a_flipped_bit_is_damage(files: RunFiles) -> None:
    path = files.folder / "result.json"
    text = path.read_text()
    path.write_text(text.replace('"test_acc": 0.5', '"test_acc": 0.7'))
    assert json.loads(path.read_text())["test_acc"] == 0.7  # what a plain reader would believe
    with pytest.raises(CorruptionError, match=r"result\.json: damaged .*delete .*abc and run the command again"):
        files.result()


@pytest.mark.parametrize("name", ["result.json", "curve.jsonl", "weights.pt", "manifest.json"])
def test_a_missing_file_is_named(files: RunFiles, name: str) -> None:
    (files.folder / name).unlink()
    (fault,) = files.find_faults(weights=True)
    assert f"{name}: missing" in fault
    assert (files.find_faults(weights=False) == []) == (name == "weights.pt")


def test_a_file_that_was_added_or_taken_out_of_the_manifest_is_named(files: RunFiles) -> None:
    (files.folder / "more.json").write_text("{}")
    assert "more.json: not in the manifest" in files.find_faults(weights=False)[0]
    (files.folder / "more.json").unlink()
    path = files.folder / "manifest.json"
    known = json.loads(path.read_text())
    del known["curve.jsonl"]
    path.write_text(json.dumps(known))
    with pytest.raises(CorruptionError, match=r"curve\.jsonl: not in the manifest"):
        RunFiles(files.folder).lines("curve.jsonl")
