"""Signals at any moment of a sweep: it saves, says so and leaves with its code, and the same command goes on."""

import contextlib
import itertools
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from stackcli.launcher.base import Say, Stop
from stackcli.launcher.local import Local
from tests.experiment.test_kills import family, kill
from tests.helpers import results, stackattn, start, words, write_data

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def line_of(folder: Path, *more: str) -> list[str]:
    """A sweep of four short runs, which also measures step times and draws a table."""
    usual = [word for word in ("seeds=2", "steps=150") if word[:5] not in {other[:5] for other in more}]
    return ["sweep", *words(write_data(folder / "d.csv"), "depth=1,2", *usual, *more), "-j", "2"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_sigterm_at_any_moment_leaves_with_75_and_the_same_command_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """While it imports, reads data, starts workers, trains, evaluates, measures step times, reports."""
    line, whole = line_of(tmp_path), tmp_path / "whole"
    began = time.monotonic()
    process = start(*line, "--out", str(whole), cwd=tmp_path)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    life, codes, ends = time.monotonic() - began, list[int](), set[str]()
    while 0 not in codes:  # over the whole life of a command, however long the next one lives
        after = life * (len(codes) + 0.5) / 35
        place = tmp_path / f"hit{len(codes)}"
        process = start(*line, "--out", str(place), cwd=tmp_path)
        time.sleep(after)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        codes.append(process.returncode)
        ends.add(" ".join(said.strip().split("\n")[-1].split()[:1]))
        first = after < 0.5  # Python itself may not yet have read our first line
        assert process.returncode in (0, 75, *((-15,) if first else ())), (after, said)
        assert first or "Traceback" not in said, (after, said)
        again = stackattn(*line, "--out", str(place), cwd=tmp_path)
        assert again.returncode == 0, (after, again.stderr)
        assert results(place) == results(whole), after
    assert codes.count(75) >= 15, codes
    assert len(ends) > 2, ends  # it was hit in more than two phases


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_stopped_and_continued_processes_change_no_byte(tmp_path: Path) -> None:
    line, draw, stops = line_of(tmp_path, "steps=1200"), random.Random(2), 0
    process = start(*line, "--out", str(tmp_path / "hit"), cwd=tmp_path)
    while process.poll() is None and stops < 200:
        time.sleep(draw.uniform(0.1, 0.4))
        for pid in draw.sample([process.pid, *family(process.pid)], 1):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(draw.uniform(0.05, 0.6))
                os.kill(pid, signal.SIGCONT)
                stops += 1
    _, said = process.communicate(timeout=100)
    assert process.returncode == 0 and stops >= 8, (stops, said)
    stackattn(*line, "--out", str(tmp_path / "whole"), cwd=tmp_path)
    assert results(tmp_path / "hit") == results(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_second_signal_ends_a_sweep_whose_workers_do_not_answer(tmp_path: Path) -> None:
    line = line_of(tmp_path, "steps=100000")
    process = start(*line, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while len(workers := family(process.pid)) < 4 and time.monotonic() < deadline:  # fork server, tracker, two workers
        time.sleep(0.1)
    time.sleep(1.0)
    for pid in workers:  # the fork server too, which would tell how they ended
        os.kill(pid, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    time.sleep(1.0)
    assert process.poll() is None  # it waits for them to save
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    for pid in workers:  # which hold the pipes open
        kill(pid)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "stopping now" in said and "Traceback" not in said


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_fork_server_is_started_again_or_named(tmp_path: Path) -> None:
    """The process that runs are forked from is killed while they train: no run is lost in the end."""
    line = line_of(tmp_path, "steps=400", "seeds=4")
    process = start(*line, "--out", str(tmp_path / "hit"), cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("hit/runs/*/result.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in family(process.pid):
        with contextlib.suppress(OSError):
            if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes():
                kill(pid)
    _, said = process.communicate(timeout=100)
    assert "Traceback" not in said, said
    last = stackattn(*line, "--out", str(tmp_path / "hit"), cwd=tmp_path)
    assert last.returncode == 0, last.stderr
    stackattn(*line, "--out", str(tmp_path / "whole"), cwd=tmp_path)
    assert results(tmp_path / "hit") == results(tmp_path / "whole")


@pytest.mark.slow
def test_two_sweeps_that_grow_one_study_at_once_both_add_their_runs(tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.csv")
    lines = [
        ["sweep", *words(data, f"depth={depths}", "seeds=2", "steps=60"), "--study", "both", "--figures", "none"]
        for depths in ("1,2", "2,3")
    ]
    together = [start(*line, cwd=tmp_path) for line in lines]
    said = [process.communicate(timeout=120) for process in together]
    assert [process.returncode for process in together] == [0, 0], said
    import json

    study = json.loads((tmp_path / "outputs/studies/both/study.json").read_text())
    points = sorted((entry["settings"]["depth"], entry["settings"]["seed"]) for entry in study["runs"])
    assert points == list(itertools.product((1, 2, 3), (0, 1)))
    assert len(list(tmp_path.glob("outputs/runs/*/result.json"))) == 6
    assert stackattn("verify", cwd=tmp_path).returncode == 0


def save_slowly(job: tuple[str, float], say: Say, stop: Stop) -> str:
    """A run that is asked to stop and then takes its time to save."""
    path, seconds = job
    say("training")
    while not stop():
        time.sleep(0.01)
    time.sleep(seconds)
    Path(path).write_text("saved")
    raise SystemExit(75)


def stop_while_it_saves(path: Path, seconds: float) -> list[str]:
    """The states of a job that is asked to stop as soon as it trains."""
    executor, states = Local(workers=1, preload=()), list[str]()
    for outcome in executor.run(save_slowly, [(str(path), seconds)]):
        states.append(outcome.state)
        if outcome.state == "progress":
            executor.stop()
    return states


@pytest.mark.parametrize("seconds", [1.5, pytest.param(40.0, marks=pytest.mark.slow)])
def test_a_save_that_takes_long_is_waited_for(seconds: float, tmp_path: Path) -> None:
    assert stop_while_it_saves(tmp_path / "state", seconds)[-1] == "stopped"
    assert (tmp_path / "state").read_text() == "saved"
