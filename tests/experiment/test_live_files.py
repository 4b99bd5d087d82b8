"""Live files: written by a process that works on a study, read by another."""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stackcli.experiment import live_files
from stackcli.experiment.live_files import LiveFile, LiveRun, keep_live, read_works
from tests.experiment.examples import live_state, write_live


def study_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "studies" / "s"
    folder.mkdir(parents=True)
    return folder


def test_inside_the_block_another_process_reads_what_this_one_does_and_after_it_nothing_is_left(tmp_path: Path) -> None:
    study = study_folder(tmp_path)
    with keep_live(study, "stackattn sweep", live_state):
        (work,) = read_works(study)
        assert (work.host, work.pid, work.alive, work.again) == (platform.node(), os.getpid(), True, "stackattn sweep")
        assert (work.total, work.ended, work.seconds_left, work.count) == (6, 2, 12.5, None)
        assert work.running == (LiveRun("abc", "depth=1 seed=0", "training", "node", 7, (3.0, 10.0, 1.5)),)
        assert work.failures == {"bad": "ValueError: no"} and work.age < 20
    assert list(study.iterdir()) == []


def test_an_unchanged_file_is_written_again_at_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, clock = study_folder(tmp_path), [100.0]
    monkeypatch.setattr("stackcli.experiment.live_files.time.monotonic", lambda: clock[0])
    state = live_state()
    file = LiveFile(study, "", lambda: state)
    file.beat()
    number = file.path.stat().st_ino
    clock[0] += live_files.BEAT - 1
    file.beat()
    assert file.path.stat().st_ino == number
    state["ended"] = 3
    file.beat()
    changed = file.path.stat().st_ino
    assert changed != number and read_works(study)[0].ended == 3
    clock[0] += live_files.BEAT
    file.beat()
    assert file.path.stat().st_ino != changed


def test_a_full_disk_or_a_folder_that_is_a_file_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_folder(tmp_path)
    (study / "live").write_text("a file")
    with keep_live(study, "", live_state):
        assert read_works(study) == []
    (study / "live").unlink()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stackcli.experiment.live_files.os.replace", full)
    with keep_live(study, "", live_state):
        assert read_works(study) == []


def test_a_process_of_this_machine_is_known_by_its_id_and_its_beginning(tmp_path: Path) -> None:
    study = study_folder(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    birth, place = live_files.process_birth(child.pid), live_files.process_place()
    own: dict[str, Any] = {"host": platform.node(), "pid": child.pid, "place": place}
    old = write_live(study, **own, birth=birth)
    os.utime(old, (1e9, 1e9))  # its age does not matter
    assert [work.alive for work in read_works(study)] == [True]
    if birth is not None:  # another process with its id
        write_live(study, **own, birth="1")
        assert [work.alive for work in read_works(study)] == [False]
        write_live(study, **own, birth=birth)
    child.kill()
    child.wait()
    (work,) = read_works(study)
    assert not work.alive
    with keep_live(study, "", live_state):
        assert [work.pid for work in read_works(study)] == [os.getpid()]  # the old file is deleted


def test_a_process_of_another_machine_is_known_by_the_age_of_its_file(tmp_path: Path) -> None:
    study = study_folder(tmp_path)
    path = write_live(study)
    assert [work.alive for work in read_works(study)] == [True]
    old = time.time() - live_files.STALE - 1
    os.utime(path, (old, old))
    assert [work.alive for work in read_works(study)] == [False]


WHOLE = {"format": 1, "host": "h", "pid": 1, "place": "h", "birth": "", "again": "", **live_state()}
DAMAGED = {
    "empty": "",
    "cut": json.dumps(WHOLE)[:-30],
    "list": "[]",
    "null": "null",
    "bytes": "\x00\x01\x02",
    "deep": "[" * 100_000 + "]" * 100_000,
    "nothing": "{}",
    "later": json.dumps({**WHOLE, "format": 2}),
    **{f"no {key}": json.dumps({k: v for k, v in WHOLE.items() if k != key}) for key in WHOLE},
    **{f"{key} is a list of lists": json.dumps({**WHOLE, key: [[[]]]}) for key in ("pid", "total", "running", "count")},
    "failures is a number": json.dumps({**WHOLE, "failures": 3}),
    "told is text": json.dumps({**WHOLE, "running": [{**WHOLE["running"][0], "told": "x"}]}),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_or_half_written_file_is_left_out(how: str, tmp_path: Path) -> None:
    study = study_folder(tmp_path)
    write_live(study).with_name("b.json").write_text(DAMAGED[how], encoding="utf-8")
    write_live(study, ".c.json.tmp")
    assert [work.host for work in read_works(study)] == ["other"]


def test_losses_that_are_no_numbers_arrive(tmp_path: Path) -> None:
    study, state = study_folder(tmp_path), live_state()
    state["running"][0]["told"] = (3, 10, float("nan"), float("inf"))
    LiveFile(study, "", lambda: state).beat()
    told = read_works(study)[0].running[0].told
    assert told[:2] == (3, 10) and told[2] != told[2] and told[3] == float("inf")
