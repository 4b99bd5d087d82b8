"""What a job on another machine and its driver tell each other."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stackcli.launcher._mailbox import Mailbox, Told, check_place, enter, job_key, take_data, versions
from stackcli.launcher.base import PREEMPTED, Say, Stop


@dataclass(frozen=True)
class Job:
    name: str
    loaded: Any = None


def leave(job: Any, say: Say, stop: Stop) -> None:
    say((7, 20))
    if job == "signal":
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop() == (job != "quiet")
    raise SystemExit(PREEMPTED)


def test_a_signal_or_a_file_asks_a_job_to_leave_and_its_last_step_is_told(tmp_path: Path) -> None:
    box, before = Mailbox(tmp_path, "a"), signal.getsignal(signal.SIGTERM)
    end, number = enter(leave, "signal", box, signals=(signal.SIGTERM,))
    assert (end.state, end.told, number) == ("preempted", (7, 20), signal.SIGTERM)
    end, number = enter(leave, "quiet", box)
    assert (end.state, end.told, number) == ("preempted", (7, 20), None)
    assert signal.getsignal(signal.SIGTERM) is before
    box.write("stop", True)
    end, _ = enter(leave, "file", box)
    assert end.state == "preempted" and end.told == ()  # it was asked before it began
    box.clear()
    assert list((tmp_path / "launches").iterdir()) == []


def test_what_a_job_returns_or_raises_is_how_it_ends(tmp_path: Path) -> None:
    box = Mailbox(tmp_path, "a")
    assert enter(lambda job, *_: job * 2, 21, box)[0][:2] == ("done", 42)
    state, text = enter(lambda job, *_: 1 // job, 0, box)[0][:2]
    assert state == "failed" and "ZeroDivisionError" in text


def test_a_driver_hears_of_each_start_and_of_each_step_once(tmp_path: Path) -> None:
    box = Mailbox(tmp_path, "a")
    told = Told([box])
    assert list(told.news([0])) == []
    box.write("told", ())
    assert [outcome.state for outcome in told.news([0])] == ["started"]
    box.write("told", (3, 20))
    assert [(o.state, o.detail) for o in told.news([0])] == [("progress", [3, 20])]
    assert list(told.news([0])) == [] and told.last(0) == [3, 20]


def test_the_data_of_a_job_are_not_part_of_its_name() -> None:
    assert take_data(Job("a", "data")) == (Job("a"), "data") and take_data("a") == ("a", None)
    assert job_key(Job("a", "data")) == job_key(Job("a")) != job_key(Job("b"))


def test_a_machine_without_the_folder_or_with_other_versions_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # and back at the end
    check_place(tmp_path, versions())
    with pytest.raises(ValueError, match=r"has no folder .*gone .*all machines must share it"):
        check_place(tmp_path / "gone", versions())
    with pytest.raises(ValueError, match=r"has torch .*, not 0\.1: other versions than the machine of the command"):
        check_place(tmp_path, {**versions(), "torch": "0.1"})
