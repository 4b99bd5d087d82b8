"""Under torchrun its processes train one run: one speaks, all leave with its exit code."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stackcli.experiment import torchrun
from stackcli.experiment.identity import ConflictError
from stackcli.launcher.base import Outcome
from tests.helpers import environment, results, stackattn, words, write_data

LINUX = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of process 0 of two."""
    for key, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(key, value)


def test_without_torchrun_the_words_stay_and_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")  # of another tool
    assert (torchrun.process_count(), torchrun.process_rank()) == (1, 0)
    assert torchrun.add_devices(["devices=3", "depth=2"]) == ("devices=3", "depth=2")
    torchrun.tell_others(0)


@pytest.mark.usefixtures("two")
def test_devices_are_the_processes_of_torchrun_and_no_others() -> None:
    assert torchrun.add_devices(["depth=2"]) == ("depth=2", "devices=2")
    assert torchrun.add_devices(["devices=2"]) == ("devices=2",)
    with pytest.raises(ConflictError, match="torchrun started 2 processes; write devices=2, or leave it out"):
        torchrun.add_devices(["devices=3"])


def test_other_commands_and_launchers_are_refused() -> None:
    assert isinstance(torchrun.build_together("train", "local"), torchrun.Together)
    with pytest.raises(ValueError, match="sweep: torchrun trains one run"):
        torchrun.build_together("sweep", "local")
    with pytest.raises(ValueError, match="leave launcher out"):
        torchrun.build_together("train", "ray")


def test_a_job_reports_and_ends_in_this_process() -> None:
    def work(job: Any, say: Any, stop: Any) -> str:
        if job == "raises":
            raise ValueError("not that")
        say((1, 2))
        return f"{job} {os.getpid()}"

    found = list(torchrun.Together().run(work, ["a", "raises"]))
    assert found[:3] == [Outcome(0, "started"), Outcome(0, "progress", (1, 2)), Outcome(0, "done", f"a {os.getpid()}")]
    assert [outcome.state for outcome in found[3:]] == ["started", "failed"]
    assert "ValueError: not that" in str(found[-1].detail)


def test_a_stop_that_another_process_was_asked_for_is_one_of_this_process() -> None:
    """`study` then says so and leaves with 75, and nothing is tried again."""
    asked: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    try:

        def work(job: Any, say: Any, stop: Any) -> None:
            raise SystemExit(75)

        found = list(torchrun.Together().run(work, ["a"]))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [outcome.state for outcome in found] == ["started", "stopped"] and asked == [signal.SIGTERM]


# ---- the real one


def start_torchrun(folder: Path, *settings: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command, "-m", "stackcli", "train", *settings, "--figures", "none"],
        cwd=folder,
        env=environment(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1"),
        stdout=pipe,
        stderr=pipe,
        text=True,
    )


def ranks_of(parent: int) -> dict[int, int]:
    """rank -> process, of the processes that a torchrun has started."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            above = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            rank = re.search(rb"(?:^|\0)RANK=(\d+)", (path / "environ").read_bytes())
            if above == parent and rank:
                found[int(rank[1])] = int(path.name)
    return found


@LINUX
@pytest.mark.slow
def test_torchrun_trains_the_run_of_two_devices_and_one_process_speaks(tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.csv")
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    process = start_torchrun(there, *words(data))
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert said.count("this run") == 1 and errors.count("0 finished before, 1 to train") == 1
    assert stackattn("train", *words(data, "devices=2"), cwd=here).returncode == 0
    assert results(there / "outputs") and results(there / "outputs") == results(here / "outputs")


@LINUX
@pytest.mark.slow
def test_another_number_of_devices_than_processes_is_a_conflict(tmp_path: Path) -> None:
    process = start_torchrun(tmp_path, *words(write_data(tmp_path / "d.csv"), "devices=3"))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1  # of torchrun, which names the exit code of each process
    assert errors.count("error: devices=3: torchrun started 2 processes") == 1
    assert "exitcode  : 4" in errors and not (tmp_path / "outputs" / "runs").exists()


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_one_process_of_torchrun_stops_all_with_one_checkpoint(rank: int, tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.csv")
    process = start_torchrun(tmp_path, *words(data, "steps=100000"))
    lines = iter(process.stderr or ())
    assert any("1 to train" in line for line in lines)
    until = time.monotonic() + 120
    while not list((tmp_path / "outputs" / "claims").glob("*.lock")) and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(6)
    os.kill(ranks_of(process.pid)[rank], signal.SIGTERM)
    rest = "".join(lines)
    process.communicate(timeout=120)
    assert process.returncode == 1 and "exitcode  : 75" in rest, rest
    saved = list((tmp_path / "outputs").glob("checkpoints/*/step-*.pt"))
    assert len(saved) == 1 and "finished runs and checkpoints are kept" in rest
    refused = stackattn("train", *words(data, "steps=100000"), cwd=tmp_path)
    assert refused.returncode == 4 and "write devices=2 parallel=data to continue it" in refused.stderr
