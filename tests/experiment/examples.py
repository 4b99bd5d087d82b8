"""What several tests of this folder need: stored runs and studies, options, and searches that train nothing."""

import contextlib
import csv
import io
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stackcli.common.records import Result, StepRow, dumps
from stackcli.config import grid
from stackcli.config.settings import Config, Options
from stackcli.experiment.serialization import hashes
from stackcli.experiment.store import Store
from stackcli.launcher.base import Executor, Outcome
from tests.helpers import words

# ---- a store


@cache
def default_config() -> Config:
    """The default settings, read without loading PyTorch."""
    return grid.parse_grid(["seeds=1"]).configs[0]


def publish_run(
    place: Store,
    run: str = "abc",
    loss: float = 0.5,
    weights: bytes | None = None,
    *,
    config: Config | None = None,
    replace: bool = False,
    **numbers: Any,
) -> None:
    """Publishes a run of the default settings whose curve has one row; `numbers`: fields of its Result."""
    row = StepRow(step=1, epoch=1.0, lr=0.1, train_loss=loss, train_acc=0.5, val_loss=0.6, val_acc=0.4)
    usual = {"status": "done", "step_end": 1, "test_acc": 0.5, "gap_end": float("nan")}
    place.publish(
        run,
        config=config or default_config(),
        result=Result(**{**usual, **numbers}),
        curve=[row],
        layers=[],
        stack=[],
        position=[],
        words={"vocab": [], "classes": [], "max_len": 4},
        weights=weights,
        provenance={"seconds": 1.0},
        reproduce="stackattn train",
        replace=replace,
    )


def replace_file(folder: Path, name: str, text: str) -> None:
    """Another content of a file, with its hash: as another version of the tool may have written it."""
    (folder / name).write_text(text)
    known = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(dumps({**known, name: hashes(folder)[name]}))


def empty_study(**base: Any) -> dict[str, Any]:
    """A study.json without runs, whose axis is depth."""
    return {"axes": ["depth"], "base": base, "runs": []}


def study_entry(run: str) -> dict[str, Any]:
    """The entry of a run in a study.json; the seed differs by the first letter of the id."""
    return {"run": run, "arm": "", "point": "", "settings": {"seed": ord(run[0])}, "timing": "", "facts": "d"}


def store_with_two_studies(folder: Path) -> Store:
    """Two runs of a study, one of which an older study has as well, and a run of none."""
    place = Store(folder)
    place.create()
    for run in ("one", "two", "alone"):
        publish_run(place, run, test_acc=0.5)
    for name, runs in (("older", ["one"]), ("newer", ["one", "two"])):
        entries = [{"run": run, "point": f"depth={i}"} for i, run in enumerate(runs, start=1)]
        place.save_study(name, {**empty_study(), "runs": entries})
        time.sleep(0.02)
    return place


def options(out: Path, **more: Any) -> Options:
    """Options of a sweep that draws no figures."""
    return Options(**{"command": "sweep", "out": out, "formats": (), **more})


def call_tool(words: Sequence[str], folder: Path, encoding: str = "utf-8") -> "Said":
    """`stackattn` with these words, in this process, which saves its start. `encoding`: of stdout and stderr."""
    from stackcli.cli import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="") for _ in range(2))
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["stackattn", *words])
        main.main()
    texts = []
    for stream in (out, err):
        stream.flush()
        stream.seek(0)
        texts.append(stream.read())
    return Said(int(left.value.code or 0), texts[0], texts[1], folder)


# ---- a search


SPACE = ("lr=tag(log,interval(1e-4,1e-1))", "dropout=0.0,0.1,0.3", "depth=range(1,4)")
Score = Callable[[Config], Mapping[str, Any] | None]  # the fields of a run's Result; None: the run raises


class Formula(Executor):
    """An executor that trains nothing: `score` gives the result of each run. It takes the jobs last first, as the order
    in which runs end must not matter, and is interrupted after `dies` runs. It adds each run to `ran`."""

    def __init__(self, score: Score, dies: int | None, ran: list[Config]) -> None:
        self.score, self.dies, self.ran = score, dies, ran

    here = True

    def stop(self, *, now: bool = False) -> None:
        pass

    def run(self, work: Any, jobs: Sequence[Any]) -> Iterator[Outcome]:
        for n in reversed(range(len(jobs))):
            if self.dies == len(self.ran):
                raise KeyboardInterrupt
            yield Outcome(n, "started")
            numbers = self.score(jobs[n].config)
            self.ran.append(jobs[n].config)
            if numbers is None:
                yield Outcome(n, "failed", "Traceback\nValueError: a fault of the code")
                continue
            publish_result(jobs[n], numbers)
            yield Outcome(n, "done")


def publish_result(job: Any, numbers: Mapping[str, Any]) -> None:
    """Publishes the run of a job, with these fields of its Result."""
    losses = dict.fromkeys(("train_loss_end", "val_loss_end", "test_loss", "val_loss", "train_loss"), 0.5)
    usual = {"status": "done", "step_end": 4, "step_best": 4, "test_acc": 0.5, "gap_end": 0.1, "gap_best": 0.1}
    nothing: dict[str, Any] = {"curve": [], "layers": [], "stack": [], "position": [], "words": {}, "provenance": {}}
    weights = None if job.config.keep == "none" else b"weights"
    result = Result(**{**losses, **usual, **numbers})
    Store(job.store).publish(job.run, config=job.config, result=result, weights=weights, reproduce="", **nothing)


def distance(config: Config) -> dict[str, float]:
    """A validation loss whose minimum is known: lr 3e-3, no dropout, depth 2. The test accuracy says the opposite."""
    loss = 0.4 + 0.3 * math.log10(config.lr / 3e-3) ** 2 + config.dropout + 0.1 * abs(config.depth - 2)
    return {"val_loss": loss, "test_acc": min(1.0, loss / 3)}


class Said:
    """What the tool printed and left behind: exit code, stdout, stderr, and its folder."""

    def __init__(self, code: int, out: str, err: str, folder: Path) -> None:
        self.code, self.out, self.err, self.folder = code, out, err, folder

    @property
    def trials(self) -> list[dict[str, str]]:
        (path,) = self.folder.glob("outputs/studies/*-search/trials.csv")
        with path.open() as file:
            return list(csv.DictReader(file))

    @property
    def study(self) -> dict[str, Any]:
        """The study of the best setting and the defaults."""
        paths = [p for p in self.folder.glob("outputs/studies/*/study.json") if not p.parent.name.endswith("-search")]
        (path,) = paths
        return dict(json.loads(path.read_text()))

    def arm(self, name: str) -> list[dict[str, Any]]:
        return [run["settings"] for run in self.study["runs"] if run["arm"] == name]


class Tool:
    """`stackattn sweep` in this process, in a folder; `ran`: the runs of the last call, in the order they ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[Config] = []

    def __call__(
        self, *typed: str, score: Score | None = distance, dies: int | None = None, at: Path | None = None
    ) -> Said:
        """Runs the words in the folder `at`. `score` replaces the training; without it the runs are trained."""
        folder = at or self.folder
        folder.mkdir(exist_ok=True)
        figures = [] if "--figures" in typed else ["--figures", "none"]
        self.ran.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("stackcli.experiment.timing_pass.time_steps", lambda *_: None)
            patch.setattr(os, "fsync", lambda _: None)  # of hundreds of small files
            if score:
                patch.setattr("stackcli.launcher.local.Local", lambda **_: Formula(score, dies, self.ran))
            return call_tool(("sweep", *typed, *figures), folder)


def search_words(data: Path, *more: str, kind: str = "random", trials: int = 12) -> list[str]:
    """A search over SPACE; of `more` what begins with a key is a setting, the rest are options."""
    settings = [w for w in more if re.match(r"[a-z_.]+=", w)]
    keys = {w.partition("=")[0] for w in settings}
    space = [w for w in (*SPACE, "seeds=2") if w.partition("=")[0] not in keys]
    rest = [w for w in more if w not in settings]
    return [*words(data, *space, *settings), "--search", kind, "--trials", str(trials), *rest]


# ---- a study that a process works on


def live_state() -> dict[str, Any]:
    """What a process that works on a study of six runs says in its live file."""
    run = {"run": "abc", "label": "depth=1 seed=0", "stage": "training", "host": "node", "pid": 7, "told": (3, 10, 1.5)}
    return {
        "total": 6,
        "ended": 2,
        "seconds_left": 12.5,
        "running": [run],
        "failures": {"bad": "ValueError: no"},
        "count": None,
    }


def write_live(study: Path, name: str = "other-1.json", **more: Any) -> Path:
    """Writes the live file of another process: by default one of another machine."""
    head = {"format": 1, "host": "other", "pid": 1, "place": "other", "birth": "5", "again": "stackattn sweep"}
    path = study / "live" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**head, **live_state(), **more}), encoding="ascii")
    return path
