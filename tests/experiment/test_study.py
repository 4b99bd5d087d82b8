"""One command: its name, its axes, what it records and announces, and its exit code."""

import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from stackcli.config.grid import parse_grid
from stackcli.config.settings import Part
from stackcli.experiment import study, tuning
from stackcli.experiment.identity import ConflictError
from stackcli.experiment.plan import Job, Plan
from stackcli.experiment.progress import Progress
from stackcli.experiment.store import Store
from stackcli.experiment.study import Arms
from stackcli.launcher.base import Outcome
from tests.experiment.examples import default_config, empty_study, options, publish_run
from tests.factory import config, part


def arms(*words: str) -> Arms:
    return Arms.of_grid(parse_grid(words))


# ---- what is run


def test_the_arms_of_an_experiment_are_its_lines_and_one_line_without_a_name_is_a_sweep() -> None:
    lines = {"a": ("depth=2,4", "seeds=1"), "b": ("depth=2", "pe=rope", "seeds=2")}
    found = Arms.of_experiment({name: parse_grid(words) for name, words in lines.items()}, ("--experiment", "x"))
    assert found.arms == ("a", "a", "b", "b") and found.axes == ("arm",)
    assert [(c.depth, c.pe.name, c.seed) for c in found.configs[1:]] == [
        (4, "learned", 0),
        (2, "rope", 0),
        (2, "rope", 1),
    ]
    assert found.base == {"arms": "a: depth=2,4 seeds=1 | b: depth=2 pe=rope seeds=2"}
    one = Arms.of_experiment({"": parse_grid(lines["a"])}, ("--experiment", "x"))
    assert one == replace(arms(*lines["a"]), typed=("--experiment", "x"))


def test_the_base_of_several_data_sets_is_what_all_of_them_share() -> None:
    words = {"copy": ("causal=true", "lr=0.1"), "order": ("causal=false", "lr=0.1")}
    grids = [parse_grid((f"data={data}", "pe=rope,none", "seeds=1", *more)) for data, more in words.items()]
    found = Arms.of_questions(grids, ("pe", "data"), ("typed",))
    assert found.axes == ("pe", "data") and len(found.configs) == 4
    assert found.base["lr"] == 0.1 and not {"causal", "pe", "data"} & set(found.base)


def test_a_run_joins_the_axes_of_the_named_study_that_it_is_added_to(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save_study("s", {**empty_study(), "axes": ["depth", "pe"]})
    joined = study.along_known_axes(arms("depth=4"), store, "s")
    assert joined.axes == ("depth", "pe") and not {"depth", "pe"} & set(joined.base)
    for other in (arms("lr=0.1,0.2"), replace(arms("depth=4"), axes=("arm",))):
        assert study.along_known_axes(other, store, "s") == other
    assert study.along_known_axes(arms("depth=4"), store, "unknown") == arms("depth=4")


# ---- names


def test_a_study_has_its_name_from_the_command_the_axes_and_the_other_words() -> None:
    assert study.study_name("sweep", arms("depth=1,2", "lr=0.1", "dim=32", "seeds=5")) == "sweep-depth-dim=32-lr=0.1"
    assert study.study_name("sweep", arms("lr=0.1", "depth=1,2", "dim=32")) == "sweep-depth-dim=32-lr=0.1"


def test_a_long_name_or_one_with_strange_signs_is_cut_and_marked() -> None:
    paths = [study.study_name("sweep", replace(arms("depth=1,2"), overrides=(f"data.path=a{sign}b",))) for sign in "/?"]
    assert paths[0].startswith("sweep-depth-data.path=a_b-") and len(set(paths)) == 2
    long = study.study_name("sweep", replace(arms("depth=1,2"), overrides=("x=" + "y" * 100,)))
    assert len(long) == 70 + 1 + 8


def test_a_point_is_its_swept_values_or_its_arm() -> None:
    c = config(depth=4, lr=0.001, causal=True)
    assert study.point_label(c, "", ("depth", "lr", "causal", "remedy")) == "depth=4 lr=0.001 causal=true"
    assert study.point_label(c, "post", ("depth",)) == "post"


def data_names(*parts: Part) -> list[str]:
    keys = {data: f"{i}abcdefgh" for i, data in enumerate(parts)}
    return list(study.data_names(SimpleNamespace(facts=dict.fromkeys(parts), facts_keys=keys)).values())


def test_data_sets_are_named_by_what_tells_them_apart() -> None:
    assert data_names(part("csv", path="a/x.csv", size=3), part("copy")) == ["csv", "copy"]
    assert data_names(part("csv", path="a/x.csv", size=3), part("csv", path="b/y.csv", size=3)) == [
        "csv x.csv",
        "csv y.csv",
    ]
    assert data_names(part("lag", lags=1), part("lag", lags=8)) == ["lag lags=1", "lag lags=8"]
    same = data_names(part("csv", path="a/x.csv"), part("csv", path="b/x.csv"))
    assert same == ["csv x.csv", "csv x.csv 1abcde"]


def test_the_command_that_goes_on_repeats_the_words_and_quotes_them() -> None:
    given = replace(arms("depth=1,2"), typed=("depth=1,2", "data.label='a b'"))
    asked = options(Path("outputs"), asked=("--study", "s"))
    assert study.options_line(asked, given) == """stackattn sweep depth=1,2 'data.label='"'"'a b'"'"'' --study s"""
    assert study.options_line(replace(asked, command="remedies"), given).startswith("stackattn ablate-depth depth=1,2")


# ---- what is said


@pytest.mark.parametrize(
    ("cols", "sort", "message"),
    [
        ("depth, test_acc", "-val_loss", ""),
        ("step_ms,pe.clip", "", ""),
        ("tets_acc", "", "--cols tets_acc: unknown column; did you mean test_acc?"),
        ("", "-pe.base", "--sort pe.base: unknown column"),
    ],
)
def test_a_column_that_no_run_will_have_is_refused(cols: str, sort: str, message: str, tmp_path: Path) -> None:
    configs, given = [config(pe="relative")], options(tmp_path, cols=cols, sort=sort)
    if not message:
        return study.check_columns(configs, given)
    with pytest.raises(ValueError) as error:
        study.check_columns(configs, given)
    assert message in str(error.value)


@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), (" YES \n", True), ("\n", False), ("no\n", False)])
def test_many_runs_start_only_after_a_yes_on_a_terminal(
    answer: str, agreed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert study.ask_consent(201) is agreed
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert study.ask_consent(201) is False  # no terminal


@pytest.mark.parametrize("more", [{}, {"dry_run": True}])
def test_a_study_of_another_definition_is_found_before_any_work_and_in_a_dry_run(
    more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given, store = arms("depth=1,2", "lr=0.5"), Store(tmp_path / "out")
    store.create()
    store.save_study("mine", {**empty_study(**{**given.base, "lr": 0.25}), "command": "sweep", "facts": {}})
    monkeypatch.setattr("stackcli.experiment.plan.plan", lambda *_, **__: pytest.fail("work began"))
    with pytest.raises(ConflictError, match=r"study 'mine' has other settings: lr=0\.25 there, 0\.5 here"):
        study.run_study(given, options(store.root, study="mine", **more))
    assert capsys.readouterr().err == ""


def test_a_search_for_tuning_finds_the_other_definition_of_the_study_after_it(tmp_path: Path) -> None:
    given, store = arms("depth=1,2", "dropout=0.5"), Store(tmp_path / "out")
    store.create()
    store.save_study("mine", {**empty_study(**{**given.base, "dropout": 0.25}), "command": "sweep", "facts": {}})
    with pytest.raises(ConflictError, match="dropout"):
        tuning.run_tuning(given, options(store.root, study="mine", tune="lr=0.1,0.2", dry_run=True))


# ---- what is recorded


def test_a_study_records_each_run_with_its_point_its_labels_and_its_times() -> None:
    given = replace(arms("pe=none,rope", "seeds=1"), labels=({"remedy": "as it was"}, {"remedy": "pe=rope"}))
    data = given.configs[0].data
    planned = Plan(("a", "b"), given.configs, (), {data: {"fingerprint": "f"}}, {data: "key"})
    first, second = study.study_record(given, planned, options(Path("x"), command="compare-pe"))["runs"]
    assert (first["run"], first["point"], first["settings"]["remedy"], first["facts"]) == (
        "a",
        "pe=none",
        "as it was",
        "subjects",
    )
    assert first["timing"] != second["timing"] and first["timing"] != first["timing_same"]
    sweep = study.study_record(given, planned, options(Path("x")))
    assert "timing_same" not in sweep["runs"][0] and "known" not in sweep
    explicit = replace(given, configs=tuple(replace(c, kernel="explicit") for c in given.configs))
    again = study.study_record(explicit, replace(planned, configs=explicit.configs), options(Path("x")))["runs"]
    assert [r["timing"] for r in again] == [first["timing_same"], second["timing_same"]]


def test_a_run_that_did_not_finish_is_recorded_with_its_status(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish_run(store, "a")
    found = study.with_statuses({"runs": [{"run": run} for run in "abc"]}, {"b": "failed"}, store)
    assert found["runs"] == [
        {"run": "a", "published": True},
        {"run": "b", "status": "failed"},
        {"run": "c", "published": False},
    ]


# ---- training


State = Literal["started", "progress", "done", "failed", "retried", "lost", "stopped"]


class Scripted:
    """An executor whose jobs end as `states` says; before a job whose state is a signal it sends that to itself."""

    def __init__(self, store: Store, states: Sequence[State | signal.Signals]) -> None:
        self.store, self.states, self.stops = store, states, list[bool]()

    def run(self, work: Any, jobs: Sequence[Job]) -> Iterator[Outcome]:
        for state in self.states:
            if isinstance(state, signal.Signals):
                os.kill(os.getpid(), state)
                continue
            if state == "done":
                publish_run(self.store, jobs[0].run)
            yield Outcome(0, state, "ValueError: no")

    def stop(self, *, now: bool = False) -> None:
        self.stops.append(now)


def train(
    tmp_path: Path, *states: State | signal.Signals, **more: Any
) -> tuple[tuple[int, Mapping[str, str]], list[bool]]:
    """What `train` returns for one job that goes through these states, and how the executor was stopped."""
    store = Store(tmp_path / "out")
    store.create()
    job = Job("abc", default_config(), store.root, "", "", {})
    planned = Plan(("abc",), (job.config,), (job,), {}, {})
    executor = Scripted(store, states)
    progress = Progress(quiet=True, total=1, labels=("depth=2",))
    return study.train(planned, store, executor, options(store.root, **more), progress), executor.stops


@pytest.mark.parametrize(
    ("states", "code", "statuses"),
    [
        (("started", "done"), 0, {}),
        (("started", "failed"), 1, {"abc": "failed"}),
        (("started", "retried", "lost"), 1, {"abc": "lost"}),
        (("started", "retried", "done"), 0, {}),
    ],
)
def test_the_exit_code_is_1_where_a_run_failed_or_was_lost(
    states: tuple[State, ...], code: int, statuses: dict[str, str], tmp_path: Path
) -> None:
    assert train(tmp_path, *states) == ((code, statuses), [])


def test_fail_fast_stops_after_the_first_failure(tmp_path: Path) -> None:
    assert train(tmp_path, "failed", fail_fast=True)[1] == [False]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_signal_stops_and_a_second_one_stops_at_once(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert train(tmp_path, "started", signal.SIGTERM, "stopped") == ((75, {}), [False])
    assert train(tmp_path, "started", signal.SIGINT, signal.SIGTERM, "stopped") == ((130, {}), [False, True])
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
