"""What a run tells its trackers, and that nothing a tracker does changes the run."""

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from stackcli.common.records import LayerRow, StepRow
from stackcli.config import grid
from stackcli.config.settings import Part
from stackcli.experiment import plan, run_trackers, worker
from stackcli.experiment.plan import Job
from stackcli.experiment.run_trackers import Reporting, has_stopped, note_failure, numbers_by_step
from stackcli.experiment.store import Store
from tests.helpers import installed, results, words, write_data

TRACKERS = """
import os, random, sys, time
from pathlib import Path
from stackcli.tracker.base import TrackedRun, Tracker

class Diary(Tracker):
    "Writes down what it is told, a line for each call."
    def __init__(self, out, *, folder: str = "", known: int = -1) -> None:
        super().__init__(out)
        self.file, self.known = Path(folder) / "diary.txt", known
    def _add(self, *words):
        with self.file.open("a") as file:
            print(*words, sep="\\t", file=file)
    def start(self, run):
        self._add("start", run.run, run.study, run.label, run.settings["depth"])
        return range(self.known + 1)
    def log(self, step, numbers):
        self._add(step, numbers)
    def finish(self, result):
        self._add("finish", result)

class Hostile(Tracker):
    "Changes what it can, and then fails where `at` says."
    def __init__(self, out, *, at: str = "start", how: str = "raise") -> None:
        super().__init__(out)
        self.at, self.how = at, how
    def _strike(self, at):
        random.seed(0)
        try:
            import numpy
            numpy.random.seed(0)
        except ImportError:
            pass
        os.chdir("/")
        os.environ["OMP_NUM_THREADS"] = "7"
        print("noise", flush=True)
        os.write(1, b"more noise")
        os.write(2, b"more noise")
        if at == self.at:
            if self.how == "raise":
                raise RuntimeError("the key is " + os.environ.get("WANDB_API_KEY", "missing"))
            if self.how == "exit":
                os._exit(3)
            if self.how == "leave":
                sys.exit(0)
            time.sleep(1000)
    def start(self, run):
        self._strike("start")
        return ()
    def log(self, step, numbers):
        self._strike("log")
    def finish(self, result):
        self._strike("finish")
"""


@contextmanager
def tracker_package(folder: Path) -> Iterator[None]:
    """Inside, an installed package offers tracker=diary and tracker=hostile."""
    info = folder / "trackerpkg-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "trackerpkg.py").write_text(TRACKERS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trackerpkg\nVersion: 1.0\n")
    names = ("diary = trackerpkg:Diary", "hostile = trackerpkg:Hostile")
    (info / "entry_points.txt").write_text("[stackattn.tracker]\n" + "\n".join(names) + "\n")
    with installed(folder):
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "d.csv")


def make_job(data: Path, out: Path, *trackers: Part) -> tuple[Job, Store]:
    """A run of 30 steps that reports to these trackers."""
    store = Store(out)
    store.create()
    (config,) = grid.parse_grid(words(data, "depth=2", "steps=30", "dropout=0.2"), single=True).configs
    (job,) = plan.plan([config], store).todo
    given = Reporting(trackers, out / "attempts" / "notes-1", "study", "depth=2 seed=0", f"{job.run}-key")
    return replace(job, reporting=given if trackers else None), store


def hostile(at: str, how: str) -> Part:
    return Part(name="hostile", keys=(("at", at), ("how", how)))


def diary(folder: Path, known: int = -1) -> Part:
    return Part(name="diary", keys=(("folder", str(folder)), ("known", known)))


def entries(folder: Path) -> list[list[str]]:
    return [line.split("\t") for line in (folder / "diary.txt").read_text().splitlines()]


@pytest.fixture(scope="module")
def plain(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the run without trackers."""
    job, store = make_job(data, tmp_path_factory.mktemp("plain") / "out")
    worker.run_job(job, lambda _: None, lambda: False)
    return results(store.root)


CASES = [(at, how) for how in ("raise", "exit", "hang", "leave") for at in ("start", "log", "finish")]
FAST = (("start", "raise"), ("log", "hang"))


@pytest.mark.parametrize(
    ("at", "how"), [pytest.param(*case, marks=() if case in FAST else pytest.mark.slow) for case in CASES]
)
def test_a_tracker_that_fails_dies_or_hangs_changes_no_byte_and_is_noted_once(
    at: str,
    how: str,
    data: Path,
    plain: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(run_trackers, "PATIENCE", 4.0)
    secret = "c0ffee" * 7
    monkeypatch.setenv("WANDB_API_KEY", secret)
    began = time.monotonic()
    with tracker_package(tmp_path / "site"):
        job, store = make_job(data, tmp_path / "out", hostile(at, how), diary(tmp_path))
        worker.run_job(job, lambda _: None, lambda: False)
    assert time.monotonic() - began < 60
    assert results(store.root) == plain
    assert capfd.readouterr() == ("", "")
    (note,) = (tmp_path / "out" / "attempts" / "notes-1").iterdir()
    said = json.loads(note.read_text())
    assert note.name == "hostile.json" and said["run"] == job.run
    if how in ("raise", "leave"):
        assert said["when"] == at
        assert said["why"] == ("RuntimeError: the key is ***" if how == "raise" else "SystemExit: 0")
    elif how == "exit":
        assert said["when"] == "end" and said["why"] == "its process ended by itself (exit code 3)"
    else:
        assert said["when"] == "hang" and said["why"] == "it did not answer in time"
    assert not [p for p in store.root.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
    assert entries(tmp_path)[-1][0] == "finish"  # the other tracker was told everything


def test_a_run_tells_the_numbers_of_its_files_in_order_and_its_result(data: Path, tmp_path: Path) -> None:
    random.seed(5)
    before = random.getstate()
    with tracker_package(tmp_path / "site"):
        job, store = make_job(data, tmp_path / "out", diary(tmp_path))
        worker.run_job(job, lambda _: None, lambda: False)
    assert random.getstate() == before
    first, *logged, last = entries(tmp_path)
    assert first == ["start", job.run, "study", "depth=2 seed=0", "2"]
    told = {int(step): eval(numbers) for step, numbers in logged}
    assert list(told) == sorted(told) and len(told) == len(logged)
    for line in (store.run(job.run) / "curve.jsonl").read_text().splitlines():
        row = json.loads(line)
        step = row.pop("step")
        assert {name: told[step].pop(name) for name in row} == row
    for line in (store.run(job.run) / "layers.jsonl").read_text().splitlines():
        row = json.loads(line)
        for name in ("g1", "g2", "g3", "g4"):
            if name in row:
                assert told[row["step"]].pop(f"gradient_{name}/layer{row['layer']}/{row['tensor']}") == row[name]
    assert not any(told.values())  # and nothing else
    result = eval(last[1])
    kept = {k: v for k, v in store.result(job.run).items() if isinstance(v, int | float | str)}
    assert last[0] == "finish" and result == kept and result["status"] == "done"


def test_a_run_that_is_stopped_says_so_and_tells_all_of_it_again_to_a_tracker_that_forgets(
    data: Path, tmp_path: Path
) -> None:
    with tracker_package(tmp_path / "site"):
        job, _ = make_job(data, tmp_path / "out", diary(tmp_path))
        seen: list[Any] = []
        with pytest.raises(SystemExit):
            worker.run_job(job, seen.append, lambda: len(seen) == 17)
        first = entries(tmp_path)
        (tmp_path / "diary.txt").unlink()
        reached = int(first[-2][0])
        assert eval(first[-1][1]) == {"status": "stopped"} and 0 < reached <= 17
        keep = replace(job.reporting, trackers=(diary(tmp_path, known=reached),)) if job.reporting else None
        worker.run_job(replace(job, reporting=keep), lambda _: None, lambda: False)
    second = entries(tmp_path)
    assert second[0] == first[0]
    steps = [int(row[0]) for row in (*first[1:-1], *second[1:-1])]
    assert steps == sorted(set(steps)) and steps[-1] == 30


def test_a_run_that_fails_is_ended_as_failed(data: Path, tmp_path: Path) -> None:
    with tracker_package(tmp_path / "site"):
        job, _ = make_job(data, tmp_path / "out", diary(tmp_path))
        with pytest.raises(ValueError, match="has changed since the command began"):
            worker.run_job(replace(job, content="other"), lambda _: None, lambda: False)
    assert [row[0] for row in entries(tmp_path)] == ["start", "finish"]
    assert entries(tmp_path)[1][1] == "{'status': 'failed'}"


def test_a_tracker_that_could_not_be_started_is_left_out_and_one_that_refused_a_number_is_not(tmp_path: Path) -> None:
    assert not has_stopped(tmp_path / "notes", "wandb")
    for when, stopped in (("start", True), ("hang", True), ("end", True), ("log", False), ("finish", False)):
        note_failure(tmp_path / when, "wandb", {"when": when, "why": "x"})
        note_failure(tmp_path / when, "wandb", {"when": "log", "why": "later"})
        assert json.loads((tmp_path / when / "wandb.json").read_text()) == {"when": when, "why": "x"}
        assert has_stopped(tmp_path / when, "wandb") == stopped


def test_rows_of_one_step_are_told_together() -> None:
    row = StepRow(step=4, epoch=0.5, lr=0.1, train_loss=1.0, train_acc=0.5, val_loss=2.0, val_acc=0.25)
    layers = [
        LayerRow(step=4, layer=1, tensor="q", g1=3.0, update=9.0),
        LayerRow(step=2, layer=2, tensor="block", g4=5.0),
    ]
    layers.append(LayerRow(step=3, layer=1, tensor="head0", entropy=1.0))
    own = {k: v for k, v in asdict(row).items() if k != "step"}
    assert numbers_by_step([row], layers) == {
        4: {**own, "gradient_g1/layer1/q": 3.0},
        2: {"gradient_g4/layer2/block": 5.0},
    }
