"""Several processes on one run stop together, go on together, and never wait for one that is dead."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stackcli.config import grid
from stackcli.experiment import plan, run_processes
from stackcli.experiment.plan import Job
from stackcli.experiment.store import Store
from tests.helpers import results, stackattn, start, words, write_data

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


def ended(code: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-S", "-c", f"import os; os._exit({code})"])
    process.wait()
    return process


def test_a_run_ends_as_its_processes_did(tmp_path: Path) -> None:
    run_processes.end([ended(0), ended(0)], tmp_path)
    with pytest.raises(SystemExit) as left:
        run_processes.end([ended(75), ended(75)], tmp_path)
    assert left.value.code == 75
    with pytest.raises(SystemExit) as left:  # one has died without a word
        run_processes.end([ended(0), ended(9)], tmp_path)
    assert left.value.code == 1
    (tmp_path / "failed-1").write_text("Traceback ...\nValueError: not that\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="ValueError: not that"):
        run_processes.end([ended(1), ended(1)], tmp_path)


@POSIX
def test_a_process_that_was_killed_comes_before_the_failures_that_this_caused(tmp_path: Path) -> None:
    (tmp_path / "failed-0").write_text("Traceback ...\nRuntimeError: connection closed\n", encoding="utf-8")
    killed = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    killed.kill()
    killed.wait()
    with pytest.raises(SystemExit) as left:
        run_processes.end([ended(1), killed], tmp_path)
    assert left.value.code == 1


@POSIX
def test_the_others_are_not_waited_for_once_one_has_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_processes, "GRACE", 0.3)
    waiting = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    told: list[Any] = []
    (tmp_path / "progress").write_text("[3, 9]")
    began = time.monotonic()
    run_processes.watch([ended(9), waiting], tmp_path, told.append, lambda: True)
    assert time.monotonic() - began < 30 and waiting.poll() is None
    waiting.kill()
    waiting.wait()
    assert told == [(3, 9)] and (tmp_path / "stop").exists()


def test_what_a_process_said_last_is_passed_on_after_it_has_ended(tmp_path: Path) -> None:
    told: list[Any] = []
    (tmp_path / "progress").write_text('{"stage": "saved", "step": 3}')
    run_processes.watch([ended(75), ended(75)], tmp_path, told.append, lambda: False)
    assert told == [{"stage": "saved", "step": 3}]


# ---- real runs


def job_of(folder: Path, *more: str, steps: int = 200) -> Job:
    """A run of two processes, planned in a store of its own."""
    store = Store(folder / "outputs")
    data = write_data(folder / "d.csv")
    config = grid.parse_grid([*words(data, "devices=2", f"steps={steps}", "dropout=0.2", *more), "seeds=1"]).configs[0]
    planned = plan.plan([config], store)
    store.create()
    plan.keep_facts(planned, store)
    return plan.with_data(planned)[0]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The processes of runs, as they are started."""
    found: list[Any] = []
    start = run_processes.start_rank

    def note(folder: Path, rank: int, size: int) -> Any:
        found.append(start(folder, rank, size))
        return found[-1]

    monkeypatch.setattr(run_processes, "start_rank", note)
    return found


def after(step: int, act: Callable[[], None]) -> Callable[[Any], None]:
    """Reports to nobody, and acts once when the run has made so many steps."""
    done: list[bool] = []

    def say(detail: Any) -> None:
        if not isinstance(detail, dict) and detail[0] >= step and not done:
            done.append(True)
            act()

    return say


def train_job(job: Job, say: Callable[[Any], None] = lambda _: None, stop: Callable[[], bool] = lambda: False) -> Any:
    """The exit code of a run."""
    try:
        run_processes.train_together(job, say, stop)
    except SystemExit as left:
        return left.code
    return 0


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["data", "sharded", "tensor"])
def test_a_signal_to_one_process_stops_all_and_the_run_goes_on_bit_for_bit(
    parallel: str, tmp_path: Path, started: list[Any]
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    job = job_of(whole, f"parallel={parallel}")
    assert train_job(job) == 0
    same = replace(job, store=cut / "outputs")
    Store(same.store).create()
    began = len(started)
    assert train_job(same, after(5, lambda: os.kill(started[began + 1].pid, signal.SIGTERM))) == 75
    assert [process.poll() for process in started[began:]] == [75, 75]
    saved = [path.name for path in same.store.glob("checkpoints/*/step-*.pt")]
    assert len(saved) == 1 and 5 <= int(saved[0][5:14]) < 200
    assert not results(same.store)
    assert train_job(same) == 0
    assert results(whole / "outputs") and results(whole / "outputs") == results(cut / "outputs")


@POSIX
@pytest.mark.slow
def test_the_others_end_with_a_process_that_is_killed(tmp_path: Path, started: list[Any]) -> None:
    job = job_of(tmp_path, steps=20000)
    times: list[float] = []

    def kill() -> None:
        times.append(time.monotonic())
        os.kill(started[1].pid, signal.SIGKILL)

    assert train_job(job, after(5, kill)) == 1
    assert time.monotonic() - times[0] < 4 * run_processes.GRACE
    assert all(process.poll() is not None for process in started)


@POSIX
@pytest.mark.slow
def test_a_frozen_process_does_not_keep_a_killed_run(tmp_path: Path, started: list[Any]) -> None:
    """Process 1 hangs, process 0 is killed: the run ends all the same."""
    job = job_of(tmp_path, steps=20000)

    def freeze() -> None:
        os.kill(started[1].pid, signal.SIGSTOP)
        os.kill(started[0].pid, signal.SIGKILL)

    assert train_job(job, after(5, freeze)) == 1
    assert all(process.poll() is not None for process in started)


@pytest.mark.slow
def test_a_command_with_two_processes_publishes_a_run_and_trains_it_once(tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.csv")
    done = stackattn("train", *words(data, "devices=2", "parallel=sharded"), cwd=tmp_path, timed=True)
    assert done.returncode == 0 and "no step times of runs with devices=2" in done.stderr, done.stderr
    again = stackattn("train", *words(data, "devices=2", "parallel=sharded"), cwd=tmp_path)
    assert "1 finished before, 0 to train" in again.stderr


@pytest.mark.slow
def test_what_a_process_raises_is_the_failure_of_the_run(tmp_path: Path) -> None:
    job = replace(job_of(tmp_path), content="other data")
    with pytest.raises(RuntimeError, match="has changed since the command began"):
        run_processes.train_together(job, lambda _: None, lambda: False)


def ranks_in(folder: Path) -> dict[int, int]:
    """rank -> process, of the processes of a run whose meeting place is under a folder."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (path / "cmdline").read_bytes().decode().split("\0")
            if "stackcli.experiment.run_processes" in line and line[3].startswith(str(folder)):
                found[int(line[4])] = int(path.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
@pytest.mark.slow
def test_a_run_whose_process_was_killed_is_lost_and_started_again(tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.csv")
    process = start("train", *words(data, "devices=2", "steps=600"), "--figures", "none", cwd=tmp_path,
                    TMPDIR=str(tmp_path), PYTHONPATH=str(ROOT))  # fmt: skip
    until = time.monotonic() + 100
    while not list(tmp_path.glob("*/progress")) and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(ranks_in(tmp_path)[1], signal.SIGKILL)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0 and errors.count("started again") == 1, errors
    assert len(list((tmp_path / "outputs" / "runs").iterdir())) == 1
    assert not ranks_in(tmp_path)
