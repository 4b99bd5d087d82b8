"""The command watch, on a study that another process works on."""

import io
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackcli.experiment import watch
from stackcli.experiment.console import Console
from stackcli.experiment.store import Store
from stackcli.experiment.watched_study import StudyWatch
from tests.experiment.examples import empty_study, publish_run, study_entry, write_live
from tests.helpers import run_process, start, words

HOSTILE = "pe=\x1b[2J\x07\nx"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a study of three runs: abc goes on, bad has failed, cde is planned."""
    store = Store(tmp_path / "o")
    store.create()
    entries = [study_entry(run) | {"point": f"depth={i}"} for i, run in enumerate(("abc", "bad", "cde"), start=1)]
    store.save_study("s", {**empty_study(), "runs": entries, "again": "stackattn sweep depth=1,2,3"})
    store.log_failure("bad", "Traceback")
    write_live(store.study("s"))
    return store


def shown(store: Store, capsys: pytest.CaptureFixture[str], **how: Any) -> tuple[int, str]:
    code = watch.run_watch(Store(store.root, create=False), "s", **how)
    return code, capsys.readouterr().out


def test_a_pipe_gets_the_study_as_it_is(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = shown(store, capsys)
    log = store.root / "attempts" / "bad.log"
    assert code == 1 and said.splitlines() == [
        "1/3 runs, 1 failed, 6 s left",  # 2 of its 4 runs in 12.5 s
        "worked on by other:1",
        "depth=1 seed=97  3/10  [node:7]  train 1.500",
        "failed: depth=2 seed=98: ValueError: no",
        f"  log: {log}",
    ]


def test_json_has_the_same_as_data(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    publish_run(store, "cde")
    code, said = shown(store, capsys, json=True)
    found = json.loads(said)
    assert code == 1 and (found["study"], found["state"], found["total"]) == ("s", "running", 3)
    assert {k: n for k, n in found["counts"].items() if n} == {"finished": 1, "running": 1, "failed": 1}
    runs = {run["run"]: run for run in found["runs"]}
    assert runs["abc"]["live"]["told"] == [3, 10, 1.5] and runs["cde"]["test_acc"] == 0.5
    assert runs["bad"]["why"] == "ValueError: no" and found["processes"][0]["alive"] is True
    assert found["again"] == "stackattn sweep depth=1,2,3"


def test_it_says_that_no_process_works_on_it_and_the_command_that_goes_on(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = (store.study("s") / "live").iterdir()
    path.write_text("{")
    code, said = shown(store, capsys)
    last = said.splitlines()[-1]
    assert code == 1 and last.endswith("no process works on it any more; 3 runs to go. To go on: " + AGAIN)


AGAIN = "stackattn sweep depth=1,2,3"


def test_it_says_that_a_study_is_complete(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = (store.study("s") / "live").iterdir()
    path.unlink()
    for run in ("abc", "bad", "cde"):
        publish_run(store, run)
    assert shown(store, capsys) == (0, "3/3 runs\nstudy s is complete\n")


@pytest.mark.parametrize("width", [20, 40, 60, 80])
@pytest.mark.parametrize("height", [3, 24])
def test_the_display_fits_any_screen_and_names_cannot_steer_it(store: Store, width: int, height: int) -> None:
    run = {"run": "cde", "label": HOSTILE, "stage": HOSTILE, "host": HOSTILE, "pid": 7, "told": [3, 10, 1.5, 1.25, 0.4]}
    write_live(store.study("s"), "b-1.json", host=HOSTILE, running=[run], failures={"xyz": HOSTILE}, again=HOSTILE)
    text = io.StringIO()
    console = Console(file=text, width=width, height=height, force_terminal=True, color_system=None)
    console.print(watch.render_snapshot(StudyWatch(store, "s").snapshot(), console))
    lines = text.getvalue().splitlines()
    assert len(lines) <= height and max(map(len, lines)) <= width
    assert all(line.isprintable() for line in lines) and "2/4" in lines[0]


def test_what_is_counted_after_the_training_is_shown(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    count = ("figures drawn", 5, 20)
    write_live(store.study("s"), running=[], failures={}, count=count, seconds_left=30.0)
    assert shown(store, capsys)[1].splitlines()[0] == "0/3 runs, 5/20 figures drawn, 30 s left"


def test_a_process_that_is_silent_is_named(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = (store.study("s") / "live").iterdir()
    os.utime(path, (time.time() - 45,) * 2)
    assert "process other:1 has been silent for 45 s" in shown(store, capsys)[1]


def test_it_follows_a_study_to_its_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each look another run has ended; at the third the process has."""
    text, looks = io.StringIO(), iter(("abc", "cde", ""))
    console = Console(file=text, width=80, height=20, force_terminal=True, color_system=None)
    monkeypatch.setenv("TERM", "xterm")

    def wait(_: float) -> None:
        if run := next(looks):
            publish_run(store, run, test_acc=0.75)
            write_live(store.study("s"), running=[])
        else:
            (store.study("s") / "live" / "other-1.json").unlink()

    monkeypatch.setattr("stackcli.experiment.watch.time.sleep", wait)
    study = StudyWatch(store, "s")
    last = watch.follow_study(study, console, study.snapshot())
    plain = re.sub(r"\x1b\[[?0-9]*[a-zA-Z]", "", text.getvalue()).splitlines()
    assert last.works == () and [line for line in plain if "test accuracy" in line] == [
        "[2/3] depth=1 seed=97: test accuracy 0.750, gap nan nats",
        "[3/3] depth=3 seed=99: test accuracy 0.750, gap nan nats",
    ]


# ---- with real processes


def wait_for(said: Callable[[dict[str, Any]], bool], folder: Path, seconds: float = 90) -> dict[str, Any]:
    """Takes snapshots as another process would, until one is as wanted."""
    until = time.monotonic() + seconds
    found: dict[str, Any] = {}
    while time.monotonic() < until:
        studies = list((folder / "outputs" / "studies").glob("*/study.json"))
        if studies:
            study = StudyWatch(Store(folder / "outputs", create=False), studies[0].parent.name)
            found = watch.plain_snapshot(study.snapshot())
            if said(found):
                return found
        time.sleep(0.1)
    raise AssertionError(found)


def sweep(data: Path, folder: Path, *more: str) -> "subprocess.Popen[str]":
    given = words(data, "depth=1,2", "seeds=1", "steps=3000", "probes=false", *more)
    return start("sweep", *given, "-j", "1", "--figures", "none", cwd=folder)


@pytest.mark.slow
def test_a_sweep_in_another_process_is_watched_killed_and_gone_on_with(data: Path, tmp_path: Path) -> None:
    first = sweep(data, tmp_path)
    found = wait_for(lambda found: any(run["live"] and run["live"]["told"] for run in found["runs"]), tmp_path)
    assert found["state"] == "running" and found["total"] == 2 and found["processes"][0]["pid"] == first.pid
    (live,) = (run["live"] for run in found["runs"] if run["live"])
    assert live["pid"] not in (0, first.pid) and 0 < live["told"][0] < 3000 == live["told"][1]
    second = sweep(data, tmp_path)
    both = wait_for(lambda found: len(found["processes"]) == 2, tmp_path)
    assert {work["pid"] for work in both["processes"]} == {first.pid, second.pid}
    assert first.poll() is None and second.poll() is None
    for process in (first, second):
        process.kill()
        process.communicate()
    stalled = run_process("watch", cwd=tmp_path)
    assert stalled.returncode == 1 and "was killed" in stalled.stdout and "To go on: stackattn sweep" in stalled.stdout
    third = sweep(data, tmp_path)
    wait_for(lambda found: found["state"] == "running", tmp_path)
    third.send_signal(signal.SIGTERM)
    third.communicate(timeout=120)
    left = run_process("watch", cwd=tmp_path)
    assert third.returncode == 75 and left.returncode == 1
    assert "no process works on it any more" in left.stdout and not list(tmp_path.rglob("live/*"))
