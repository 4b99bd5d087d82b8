"""The process of a tracker, with the run at the other end."""

import json
import time
from pathlib import Path

import pytest

from stackcli.experiment.tracker_process import describe_error, hide_secrets, serve
from tests.experiment.test_run_trackers import entries, tracker_package
from tests.tracker.examples import RUN, numbers, send, start_tracker


def test_a_tracker_whose_run_is_killed_ends_the_run_as_stopped(tmp_path: Path) -> None:
    with tracker_package(tmp_path / "site"):
        process = start_tracker("diary", tmp_path, {"folder": str(tmp_path)})
        send(process, {"step": 4, "numbers": numbers(4)})
        assert process.stdin is not None
        process.stdin.write(b'{"step": 8, "numb')  # cut off by the death of the run
        said, _ = process.communicate(timeout=60)
    assert json.loads(said) == {"ended": True}
    first, second, last = entries(tmp_path)
    assert first[1] == RUN and second == ["4", str(numbers(4))] and last == ["finish", "{'status': 'stopped'}"]


def test_a_tracker_that_hangs_after_its_run_was_killed_ends_by_itself(tmp_path: Path) -> None:
    with tracker_package(tmp_path / "site"):
        process = start_tracker("hostile", tmp_path, {"at": "start", "how": "hang"}, patience=1.0)
        time.sleep(2.0)
        assert process.poll() is None  # while the run goes on it may take its time
        process.communicate(timeout=60)
    assert process.returncode != 0


def test_two_processes_of_one_run_take_turns(tmp_path: Path) -> None:
    with tracker_package(tmp_path / "site"):
        first = start_tracker("diary", tmp_path, {"folder": str(tmp_path)})
        send(first, {"step": 0, "numbers": {"lr": 0.5}})
        for _ in range(600):
            if (tmp_path / "diary.txt").exists() and len(entries(tmp_path)) == 2:
                break
            time.sleep(0.1)
        second = start_tracker("diary", tmp_path, {"folder": str(tmp_path)})
        send(second, {"step": 4, "numbers": {"lr": 0.25}})
        time.sleep(1.0)
        assert len(entries(tmp_path)) == 2
        first.communicate(timeout=60)
        second.communicate(timeout=60)
    assert [row[0] for row in entries(tmp_path)] == ["start", "0", "finish", "start", "4", "finish"]


def test_an_unknown_tracker_is_a_failure_at_the_start(tmp_path: Path) -> None:
    said: list[object] = []
    head = {"name": "zzz", "keys": {}, "out": str(tmp_path), "lock": str(tmp_path / "lock"), "about": {}}
    assert not serve(head, None, said.append)
    (failure,) = said
    assert isinstance(failure, dict) and failure["failed"] == "start" and "no such choice" in failure["why"]


def test_secrets_of_the_environment_and_passwords_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "open sesame")
    monkeypatch.setenv("EXPERIMENT_NAME", "depth")
    assert hide_secrets("open sesame: depth") == "***: depth"
    assert hide_secrets("at https://me:word@host/a, http://host/a@b") == "at https://***@host/a, http://host/a@b"
    assert describe_error(OSError("a\n b open sesame")) == "OSError: a b ***"
    assert describe_error(OSError("x" * 388 + "open sesame")).endswith("x***")
