"""The command from end to end: every point is measured, and none that cannot be ends the others."""

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stackcli.config.settings import Options
from stackcli.diagnostics import peak_memory
from stackcli.experiment import cost_measurement
from stackcli.experiment.cost_points import plan_costs
from stackcli.launcher.base import Outcome
from tests.helpers import stackattn, start

TINY = ("dim=8", "heads=2", "ff=1", "depth=1", "attention=full,window", "attention.reach=4")
WORDS = (*TINY, "seq=32,64,512,1024")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """(folder, stdout, stderr) of a small run."""
    folder = tmp_path_factory.mktemp("cost")
    done = stackattn("cost", *WORDS, "--figures", "png", cwd=folder, COLUMNS="80")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout, done.stderr


def test_every_point_has_times_and_memory_and_the_files_are_there(measured: tuple[Path, str, str]) -> None:
    folder, said, notes = measured
    (place,) = (folder / "outputs" / "costs").iterdir()
    names = {"table.csv", "exponents.csv", "sizes.csv", "predictions.csv", "report.txt", "time.png", "memory.png"}
    assert {path.name for path in place.iterdir()} == names
    table = pd.read_csv(place / "table.csv")
    assert [*table["seq"]] == [32, 64, 512, 1024] * 2 and set(table["status"]) == {"done"}
    assert (table["repeats"] >= 5).all() and (table["step_ms"] > table["forward_ms"]).all()
    assert (table["memory"] > 0).all() and (table["step_ms_low"] <= table["step_ms_high"]).all()
    assert table["params"].nunique() == 1  # built for the longest length
    assert (place / "report.txt").read_text() == said
    assert max(map(len, said.splitlines())) <= 80
    assert "8 points" in notes and "nothing is trained" in notes and "wrote 7 files to" in notes and "open " in notes
    assert not (folder / "outputs" / "runs").exists()


def test_counted_costs_grow_as_the_closed_forms_say(measured: tuple[Path, str, str]) -> None:
    (place,) = (measured[0] / "outputs" / "costs").iterdir()
    table = pd.read_csv(place / "table.csv").set_index(["attention", "seq"])
    full, window = table.loc["full"], table.loc["window"]
    assert full.loc[1024, "score_bytes"] / full.loc[512, "score_bytes"] == 4
    assert window.loc[1024, "score_bytes"] / window.loc[512, "score_bytes"] == 2
    assert full.loc[1024, "memory"] > full.loc[512, "memory"] > full.loc[64, "memory"]


def run(words: Sequence[str], folder: Path, **options: Any) -> int:
    given = {"command": "cost", "out": folder / "out", "formats": (), **options}
    return cost_measurement.run_cost(plan_costs(words), Options(**given))


class Simulated:
    """An executor that measures nothing: each point of the memory pass ends as told, each timed point takes n ms."""

    ends: dict[int, Outcome]
    interrupt = False

    def __init__(self, **_: Any) -> None:
        self.stopped = False

    def run(self, work: Any, jobs: Sequence[Any]) -> Iterator[Outcome]:
        for i, job in enumerate(jobs):
            yield Outcome(i, "started")
            if hasattr(job, "point"):
                n = job.point.length
                yield self.ends.get(i, Outcome(i, "done", {"status": "done", "memory": 100.0 * n, "method": "VmHWM"}))
                continue
            rows = [{"repeats": 5, **self.times(point.length)} for point in job.points]
            yield Outcome(i, "progress", rows)
            if self.interrupt:
                raise KeyboardInterrupt
            yield Outcome(i, "done", rows)

    @staticmethod
    def times(n: int) -> dict[str, float]:
        names = ("inference_ms", "forward_ms", "backward_ms", "update_ms", "step_ms")
        return {f"{name}{end}": float(n) for name in names for end in ("", "_low", "_high")}

    def stop(self, *, now: bool = False) -> None:
        self.stopped = now


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> type[Simulated]:
    class Mine(Simulated):
        ends: dict[int, Outcome] = {}  # noqa: RUF012

    monkeypatch.setattr(cost_measurement, "Local", Mine)
    return Mine


def rows_of(folder: Path) -> list[dict[str, Any]]:
    (place,) = (folder / "out" / "costs").iterdir()
    found: list[dict[str, Any]] = pd.read_csv(place / "table.csv").to_dict("records")
    return found


def test_a_point_whose_process_dies_is_a_row_and_the_rest_goes_on(
    simulated: type[Simulated], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated.ends = {
        1: Outcome(1, "lost", "its process died (exit code -9)"),
        2: Outcome(2, "done", {"status": "needs memory", "needed": 2.0**34, "free": 2.0**33}),
        3: Outcome(3, "done", {"status": "out of memory"}),
        5: Outcome(5, "failed", "Traceback\n  line\nRuntimeError: something else"),
    }
    assert run([*TINY, "seq=32,64,128,256"], tmp_path) == 1
    rows = rows_of(tmp_path)
    states = ["done", "out of memory", "needs memory", "out of memory", "done", "failed", "done", "done"]
    assert [row["status"] for row in rows] == states
    assert [row["step_ms"] for row in rows if row["status"] == "done"] == [32, 32, 128, 256]
    said = capsys.readouterr().out
    assert "out of memory" in said and "needs 16.0 GiB" in said and "RuntimeError: something else" in said
    del simulated.ends[5]
    assert run([*TINY, "seq=32,64,128,256"], tmp_path / "2") == 0  # lack of memory is a result


def test_an_interrupt_reports_what_was_measured(
    simulated: type[Simulated], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated.interrupt = True
    assert run([*TINY, "seq=32,64"], tmp_path) == 130
    assert [row["step_ms"] for row in rows_of(tmp_path)] == [32, 64, 32, 64]
    assert "what was measured so far" in capsys.readouterr().err


def test_an_interrupt_before_anything_was_timed_writes_nothing(
    simulated: type[Simulated], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop_now(*_: Any) -> Iterator[Outcome]:
        yield Outcome(0, "started")
        raise KeyboardInterrupt

    monkeypatch.setattr(simulated, "run", stop_now)
    assert run([*TINY, "seq=32,64"], tmp_path) == 130
    assert not (tmp_path / "out").exists() and "nothing is written" in capsys.readouterr().err


def test_a_point_that_needs_more_than_is_free_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (*TINY[:4], "attention=full", "kernel=explicit", "seq=16,32,4096")
    monkeypatch.setattr(peak_memory, "free_memory", lambda device: 2e8)
    done = stackattn("cost", *words, "--figures", "none", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["status"] for row in rows] == ["done", "done", "needs memory"]
    assert rows[2]["step_ms"] is None and rows[2]["needed"] > rows[2]["free"] == 2e8 and rows[0]["step_ms"] > 0
    dry = stackattn("cost", *words, "--dry-run", "--out", "other", cwd=tmp_path)
    assert dry.returncode == 0 and dry.stdout == "" and not (tmp_path / "other").exists()
    lines = [line for line in dry.stderr.splitlines() if line.startswith("seq=")]
    assert ["WILL NOT FIT" in line for line in lines] == [False, False, True]
    assert "2 points of 3 would be measured, in about" in dry.stderr


@pytest.mark.parametrize("seconds,said", [(0.0123, "0.012 s"), (42.3, "42 s"), (200, "3 min"), (9000, "2.5 h")])
def test_durations_are_rough(seconds: float, said: str) -> None:
    assert cost_measurement.format_seconds(seconds) == said


def offspring(pid: int) -> set[int]:
    """Processes that descend from this one, from Linux's /proc."""
    try:
        own = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except OSError:
        return set()
    return own.union(*map(offspring, own))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="looks for processes in Linux's /proc")
def test_ctrl_c_ends_the_command_and_every_process_of_it(tmp_path: Path) -> None:
    process = start("cost", "seq=512,1024,2048", "--figures", "none", cwd=tmp_path)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("timing"):
            break
    time.sleep(3)
    children = offspring(process.pid)
    assert len(children) >= 2
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    until = time.monotonic() + 20
    while any(os.path.isdir(f"/proc/{pid}") for pid in children) and time.monotonic() < until:
        time.sleep(0.1)
    assert [pid for pid in children if os.path.isdir(f"/proc/{pid}")] == []
