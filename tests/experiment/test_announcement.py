"""What a study says before it begins."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stackcli.config.grid import parse_grid
from stackcli.experiment import announcement
from stackcli.experiment.plan import Job, Plan
from stackcli.experiment.progress import Progress
from stackcli.experiment.store import Store
from stackcli.experiment.study import Arms
from tests.experiment.examples import default_config, options, publish_run
from tests.factory import config


def arms(*words: str) -> Arms:
    return Arms.of_grid(parse_grid(words))


def first_line(given: Arms, store: Store, capsys: pytest.CaptureFixture[str], **more: Any) -> str:
    announcement.announce_command(given, options(store.root, **more), store)
    return capsys.readouterr().err


def test_a_part_that_sets_another_is_announced() -> None:
    assert announcement.describe_need(config(residual="rezero")) == ["residual=rezero sets norm=none"]
    assert announcement.describe_need(default_config()) == []


def test_the_first_line_names_the_runs_the_data_and_how_many_are_trained_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "out")
    said = first_line(arms("depth=1,2", "seeds=2"), store, capsys, jobs=8)
    assert said == "sweep: 4 runs (depth = 1, 2; seeds 0, 1) on subjects, 4 at once\n"
    one = first_line(arms("seeds=1"), store, capsys, command="train", jobs=8)
    assert one == "train: 1 run (seed 0) on subjects\n"
    assert first_line(arms("seeds=1"), store, capsys, quiet=True) == "" and not store.exists


def test_the_first_line_says_how_long_it_takes_where_similar_runs_are_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "out")
    store.create()
    publish_run(store, config=default_config(), step_end=456, stopped_early=False)  # its provenance says 1 s
    said = first_line(arms("seed=1", "seeds=30"), store, capsys, jobs=3)
    assert said.endswith("on subjects, 3 at once; about 10 s of training (from the times of similar runs)\n")
    stored = first_line(arms("seeds=1"), store, capsys)
    assert stored == "sweep: 1 run (seed 0) on subjects\n"  # nothing is new
    forced = first_line(arms("seeds=1"), store, capsys, force=True)
    assert forced == stored


def test_the_plan_counts_runs_and_shares_and_repeats_notices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arms("depth=1,2", "seeds=2")
    shares = {name: {"a": 0.25, "b": 0.75} for name in ("train", "val", "test")}
    facts = {
        "sizes": {"train": 1, "val": 2, "test": 3},
        "shares": shares,
        "classes": ["a", "b"],
        "notices": ["a notice"],
    }
    data = given.configs[0].data
    planned = Plan(tuple("abcd"), given.configs, (), {data: facts}, {})
    progress = Progress(quiet=False, total=0, labels=())

    def lines(plan: Plan, *, timed: bool) -> list[str]:
        announcement.announce_plan(replace(given, notes=("a note",)), plan, options(tmp_path), progress, timed=timed)
        return capsys.readouterr().err.splitlines()

    rest = [
        "a note",
        "data=subjects: 1 train, 2 validation, 3 test; class shares in % of each: a 25/25/25, b 75/75/75",
        "data=subjects: a notice",
    ]
    assert lines(planned, timed=False) == ["4 finished before, 0 to train", *rest]
    todo = (Job("a", given.configs[0], tmp_path, "", "", {}),)
    assert lines(replace(planned, todo=todo), timed=True)[0] == "3 finished before, 1 to train"
    said = lines(replace(planned, todo=todo), timed=False)[0]  # a run of 8 steps on data that are not loaded
    assert said == "3 finished before, 1 to train; about 1 s of training (from the sizes alone, so roughly)"
