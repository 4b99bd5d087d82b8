"""The command runs."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from stackcli.experiment.store import Store
from tests.experiment.examples import publish_run
from tests.experiment.store_examples import content, filled_store, hold_claim
from tests.helpers import environment, stackattn


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


def test_conditions_columns_order_and_number_of_rows(tmp_path: Path) -> None:
    filled_store(tmp_path)  # with the test accuracies .5, .6 and .7
    done = stackattn("runs", "test_acc>0.55", "--sort", "-acc", "--cols", "test_acc,study", "--csv", "-", cwd=tmp_path)
    assert done.stdout == "run,test_acc,studies\ncc33,0.7,\nab22,0.6,both\n"
    table = stackattn("runs", "test_acc>0.55", "--sort", "train_loss", cwd=tmp_path)
    assert table.stdout.split()[5:7] == ["train_loss", "settings"] and "ab22" in table.stdout
    top = stackattn("runs", "--top", "1", "--sort", "-acc", cwd=tmp_path)
    assert "cc33" in top.stdout and "2 more runs not shown; --top 0 shows all" in top.stderr
    none = stackattn("runs", "depth=99", cwd=tmp_path)
    assert (none.returncode, none.stdout) == (0, "") and "no run has depth=99; stored: 2" in none.stderr
    assert json.loads(stackattn("runs", "depth=99", "--json", cwd=tmp_path).stdout) == []


def test_csv_has_every_number_in_full_and_no_formula(tmp_path: Path) -> None:
    store = filled_store(tmp_path)
    publish_run(store, "ff66", test_loss=0.1 + 0.2, kernel_used="=1+1")
    done = stackattn("runs", "run=ff66", "--csv", "all.csv", cwd=tmp_path)
    (row,) = csv.DictReader((tmp_path / "all.csv").open())
    assert done.returncode == 0 and row["test_loss"] == "0.30000000000000004" and row["kernel_used"] == "'=1+1"
    assert row["gap_end"] == "" and "test_right" not in row  # NaN


def test_a_terminal_shows_the_first_runs_and_files_have_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled_store(tmp_path)
    monkeypatch.setattr("stackcli.cli.runs.SHOWN", 2)
    done = stackattn("runs", cwd=tmp_path, COLUMNS="80")
    assert "1 more run not shown" in done.stderr and sum(run in done.stdout for run in ("aa11", "ab22", "cc33")) == 2
    for more in (("--csv", "-"), ("--json",), ("--top", "0")):
        out = stackattn("runs", *more, cwd=tmp_path, COLUMNS="80").stdout
        assert all(run in out for run in ("aa11", "ab22", "cc33"))
    assert "cc33" in stackattn("runs", cwd=tmp_path).stdout  # in a pipe


def test_a_run_is_shown_with_a_line_that_repeats_it(trained: Path) -> None:
    (stored,) = (trained / "outputs" / "runs").iterdir()
    done = stackattn("runs", "show", stored.name[:6], cwd=trained, COLUMNS="80")
    line = json.loads((stored / "config.json").read_text())["reproduce"]
    *above, last = done.stdout.splitlines()
    assert last == line and max(map(len, above)) <= 80 and "▁" in done.stdout
    found = json.loads(stackattn("runs", "show", stored.name[:6], "--json", cwd=trained).stdout)
    assert found["reproduce"] == line and found["changed"]["dim"] == 64 and found["settings"]["dim"] == 8


def test_two_runs_are_compared_and_the_exit_code_is_0_both_ways(tmp_path: Path) -> None:
    filled_store(tmp_path)
    done = stackattn("runs", "diff", "aa", "ab", cwd=tmp_path)
    assert done.returncode == 0 and "settings: identical" in done.stdout and "differ from step 1 on" in done.stdout
    same = stackattn("runs", "diff", "aa", "aa", cwd=tmp_path)
    assert same.returncode == 0 and "identical, to the bit" in same.stdout
    found = json.loads(stackattn("runs", "diff", "aa", "ab", "--json", cwd=tmp_path).stdout)
    assert found["result"]["test_acc"] == [0.5, 0.6] and found["identical"] is False


def test_runs_verify_is_verify(tmp_path: Path) -> None:
    store = filled_store(tmp_path)
    (store.run("aa11") / "curve.jsonl").write_text("{")
    both = [stackattn(*words, cwd=tmp_path) for words in (("verify",), ("runs", "verify"))]
    assert both[0].returncode == both[1].returncode == 5 and both[0].stdout == both[1].stdout


def test_runs_are_removed_after_a_yes_and_restored(tmp_path: Path) -> None:
    store = filled_store(tmp_path)
    before = content(store, "aa11")
    look = stackattn("runs", "rm", "study=one", "--dry-run", cwd=tmp_path)
    assert look.returncode == 0 and "study one loses 1 of 1 run" in look.stdout and store.finished("aa11")
    asked = stackattn("runs", "rm", "aa11", cwd=tmp_path)
    assert asked.returncode == 2 and "write --yes" in asked.stderr and store.finished("aa11")
    done = stackattn("runs", "rm", "aa11", "--yes", cwd=tmp_path)
    assert done.returncode == 0 and "-aa11" in done.stdout and not store.finished("aa11")
    back = stackattn("runs", "restore", "aa", cwd=tmp_path)
    assert back.returncode == 0 and content(store, "aa11") == before
    publish_run(store, "dd44")
    assert stackattn("runs", "rm", "dd44", "-y", cwd=tmp_path).returncode == 0
    publish_run(store, "dd44")
    assert stackattn("runs", "restore", "dd44", cwd=tmp_path).returncode == 4


def test_a_run_that_is_being_trained_is_not_removed(tmp_path: Path) -> None:
    lock = hold_claim(store := filled_store(tmp_path), "aa11")
    done = stackattn("runs", "rm", "aa11", "cc33", "--yes", cwd=tmp_path)
    lock.release()
    assert done.returncode == 4 and "being trained" in done.stderr and len(store.ids()) == 3


def test_gc_names_what_it_deletes_and_asks(tmp_path: Path) -> None:
    store = filled_store(tmp_path)
    place = store.root / "checkpoints" / "aa11" / "step-1.pt"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x" * 2000)
    look = stackattn("runs", "gc", "--dry-run", cwd=tmp_path)
    assert "2.0 kB  checkpoints/aa11  checkpoint of a finished run" in look.stdout and place.exists()
    assert stackattn("runs", "gc", cwd=tmp_path).returncode == 2 and place.exists()
    assert stackattn("runs", "gc", "--yes", cwd=tmp_path).returncode == 0 and not place.exists()
    assert stackattn("runs", "gc", cwd=tmp_path).stdout == "nothing to delete\n"


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 2), ("", 2)])
def test_a_terminal_is_asked(answer: str, code: int, tmp_path: Path) -> None:
    store: Store = filled_store(tmp_path)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "stackcli", "runs", "rm", "aa11"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdin=theirs, stderr=theirs, stdout=subprocess.PIPE
    )
    os.write(ours, f"{answer}\n".encode())
    process.communicate(timeout=60)
    assert process.returncode == code and store.finished("aa11") == (code != 0)
    os.close(ours)
    os.close(theirs)


def test_the_columns_of_a_pipe_are_aligned(tmp_path: Path) -> None:
    filled_store(tmp_path)
    done = stackattn("runs", "--cols", "test_acc,studies", "--sort", "run", cwd=tmp_path)
    head, *lines = io.StringIO(done.stdout).read().splitlines()
    assert head.split() == ["run", "test_acc", "studies"] and [line.split()[0] for line in lines] == [
        "aa11",
        "ab22",
        "cc33",
    ]
    assert all(line.index("0.") == head.index("test_acc") for line in lines)
