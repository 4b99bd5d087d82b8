"""The command studies."""

import json
from pathlib import Path

from stackcli.experiment.store import Store
from tests.experiment.store_examples import filled_store, hold_claim
from tests.helpers import stackattn


def listed(folder: Path) -> dict[str, int]:
    return {row["study"]: row["finished"] for row in json.loads(stackattn("studies", "--json", cwd=folder).stdout)}


def test_studies_are_listed_and_shown(trained: Path) -> None:
    (name,) = listed(trained)
    done = stackattn("studies", "show", name, cwd=trained)
    assert "1 of 1 finished" in done.stdout and done.stdout.splitlines()[-1].startswith("stackattn train ")
    found = json.loads(stackattn("studies", "show", name, "--json", cwd=trained).stdout)
    assert found["study"] == name and "study.json" in found["files"]


def test_a_study_is_renamed_removed_and_restored(tmp_path: Path) -> None:
    filled_store(tmp_path)
    assert stackattn("studies", "rename", "one", "two", cwd=tmp_path).returncode == 0
    assert listed(tmp_path) == {"both": 2, "two": 1}
    refused = stackattn("studies", "rename", "two", "both", cwd=tmp_path)
    assert refused.returncode == 4 and "there is one of that name" in refused.stderr
    asked = stackattn("studies", "rm", "two", cwd=tmp_path)
    assert asked.returncode == 2 and "--yes" in asked.stderr and len(listed(tmp_path)) == 2
    assert stackattn("studies", "rm", "two", "--yes", cwd=tmp_path).returncode == 0
    assert listed(tmp_path) == {"both": 2} and len(Store(tmp_path / "outputs").ids()) == 3
    assert stackattn("studies", "restore", "two", cwd=tmp_path).returncode == 0
    assert listed(tmp_path) == {"both": 2, "two": 1}


def test_a_study_that_is_being_trained_is_neither_removed_nor_renamed(tmp_path: Path) -> None:
    lock = hold_claim(filled_store(tmp_path), "aa11")
    for words in (("rm", "one", "--yes"), ("rename", "one", "two")):
        done = stackattn("studies", *words, cwd=tmp_path)
        assert done.returncode == 4 and "1 run is being trained" in done.stderr
    lock.release()
    assert listed(tmp_path) == {"both": 2, "one": 1}
