"""The command runs."""

import json
from pathlib import Path

from tests.helpers import stackattn


def test_a_run_is_listed_with_its_settings_its_accuracy_and_its_study(trained: Path) -> None:
    (row,) = json.loads(stackattn("runs", "--json", cwd=trained).stdout)
    (stored,) = (trained / "outputs" / "runs").iterdir()
    result = json.loads((stored / "result.json").read_text())
    assert (row["run"], row["status"], row["test_acc"]) == (stored.name, "done", result["test_acc"])
    assert (row["data"], row["depth"], row["seed"], row["edited"]) == ("csv", 2, 0, [])
    plain = stackattn("runs", cwd=trained)
    head, line = plain.stdout.splitlines()
    assert head.split() == ["run", "study", "age", "status", "acc", "settings"]
    words = line.split()
    assert words[0] == stored.name and words[3:5] == ["done", f"{result['test_acc']:.3f}"]
    assert row["studies"] and row["finished"].endswith("Z")
    assert plain.stderr.startswith("studies: train")


def test_where_there_is_no_store_it_says_so(tmp_path: Path) -> None:
    done = stackattn("runs", cwd=tmp_path)
    assert done.returncode == 2 and "no store" in done.stderr and list(tmp_path.iterdir()) == []
