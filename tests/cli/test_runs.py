"""The command runs."""

import json
from pathlib import Path

from tests.helpers import stackattn


def test_a_run_is_listed_with_its_settings_its_accuracy_and_its_study(trained: Path) -> None:
    row = json.loads(stackattn("runs", "--json", cwd=trained).stdout)
    (stored,) = (trained / "outputs" / "runs").iterdir()
    result = json.loads((stored / "result.json").read_text())
    assert (row["run"], row["status"], row["test_acc"]) == (stored.name, "done", result["test_acc"])
    assert (row["data"], row["depth"], row["seed"], row["edited"]) == ("csv", 2, 0, [])
    plain = stackattn("runs", cwd=trained)
    assert plain.stdout.split()[:3] == [stored.name, "done", f"{result['test_acc']:.3f}"]
    assert plain.stderr.startswith("studies: train")


def test_where_there_is_no_store_it_says_so(tmp_path: Path) -> None:
    done = stackattn("runs", cwd=tmp_path)
    assert done.returncode == 2 and "no store" in done.stderr and list(tmp_path.iterdir()) == []
