"""The timing pass: which architectures are measured, beside which reference, and when a time is taken again."""

import os
import platform
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from stackcli.common.atomic_files import read_json
from stackcli.config.settings import Config, Part
from stackcli.experiment import timing_pass
from stackcli.experiment.store import Store
from stackcli.launcher.base import Outcome, Say, Stop
from tests.experiment.examples import default_config, empty_study, publish_run
from tests.helpers import stackattn, words, write_data

HERE = {"cores": os.cpu_count(), "system": platform.system(), "torch": version("torch")}


def times(step: float, reference: str = "depth 1", **machine: Any) -> dict[str, Any]:
    return {"times": {"step_ms": step}, "machine": {**HERE, **machine}, "reference": reference}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A study `s` of depth 1 and 4 that are done and of depth 9, which is not."""
    place = Store(tmp_path)
    place.create()
    runs = []
    for depth in (4, 1, 9):
        run = f"run{depth}"
        if depth != 9:
            publish_run(place, run, config=replace(default_config(), depth=depth))
        runs.append({"run": run, "timing": f"depth {depth}", "timing_same": f"depth {depth} explicit"})
    place.save_study("s", {**empty_study(), "runs": runs})
    return place


Measured = Callable[[], timing_pass.Timing | None]


@pytest.fixture
def measured(store: Store, monkeypatch: pytest.MonkeyPatch) -> Measured:
    """Starts the timing pass of the study and returns the job that it was given; None: nothing was measured."""

    def start() -> timing_pass.Timing | None:
        jobs: list[timing_pass.Timing] = []

        class Local:
            def __init__(self, **_: Any) -> None:
                pass

            def run(self, work: Any, given: list[timing_pass.Timing]) -> Iterator[Outcome]:
                assert work is timing_pass.time_all
                jobs.extend(given)
                yield Outcome(0, "done", [0.1, 1.84])

        monkeypatch.setattr("stackcli.launcher.local.Local", Local)
        said: list[str] = []
        timing_pass.time_steps(store, "s", said.append)
        assert said[1:] == (["timed while other work was running (load 1.8)"] if jobs else [])
        return jobs[0] if jobs else None

    return start


def shape(configs: Any) -> dict[str, tuple[int, str]]:
    return {key: (config.depth, config.kernel) for key, config in configs.items()}


def test_the_first_pass_measures_every_finished_run_beside_the_cheapest_one(measured: Measured) -> None:
    job = measured()
    assert job is not None and job.reference == "depth 1" and job.known == {}
    assert shape(job.configs) == {
        "depth 1": (1, "auto"),
        "depth 4": (4, "auto"),
        "depth 1 explicit": (1, "explicit"),
        "depth 4 explicit": (4, "explicit"),
    }


def test_a_later_pass_measures_only_what_is_new_beside_the_same_reference(store: Store, measured: Measured) -> None:
    known = {key: times(2.0) for key in ("depth 1", "depth 1 explicit", "depth 4")}
    store.save_timings("s", known)
    job = measured()
    assert job is not None and set(job.configs) == {"depth 1", "depth 4 explicit"}
    assert job.reference == "depth 1" and job.known == known
    store.save_timings("s", {**known, "depth 4 explicit": times(3.0)})
    assert measured() is None


@pytest.mark.parametrize(
    "other",
    [
        times(2.0, torch="0.1"),
        times(2.0, cores=0),
        times(2.0, system="Plan 9"),
        {"times": {}, "machine": HERE},
        {"times": {}, "reference": "depth 1"},
    ],
)
def test_times_of_another_machine_or_without_a_reference_are_measured_again(
    other: dict[str, Any], store: Store, measured: Measured
) -> None:
    assert timing_pass.measured_here(times(2.0)) and not timing_pass.measured_here(other)
    store.save_timings("s", dict.fromkeys(("depth 1", "depth 4", "depth 1 explicit", "depth 4 explicit"), other))
    job = measured()
    assert job is not None and len(job.configs) == 4 and job.known == {}


def test_where_the_reference_is_gone_everything_is_measured_again(store: Store, measured: Measured) -> None:
    store.save_timings("s", {"depth 4": times(2.0, "depth 2"), "depth 2": times(1.0, "depth 2")})
    job = measured()
    assert job is not None and job.reference == "depth 1" and len(job.configs) == 4 and job.known == {}


def test_a_pass_that_fails_says_why(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __init__(self, **_: Any) -> None:
            pass

        def run(self, *_: Any) -> Iterator[Outcome]:
            yield Outcome(0, "failed", "Traceback\n  line\nMemoryError: no memory\n")

    monkeypatch.setattr("stackcli.launcher.local.Local", Failing)
    said: list[str] = []
    timing_pass.time_steps(store, "s", said.append)
    assert said[0] == "timing 4 architectures"
    assert said[1].startswith("no step times: the timing pass did not finish (MemoryError: no memory)")
    assert store.timings("s") == {}


def test_new_times_are_saved_beside_the_known_ones_on_their_scale(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stackcli.diagnostics import machine_load, step_time

    asked: list[float | None] = []

    def measure(configs: dict[str, Config], reference: str, load: Any, scale: float | None, say: Any) -> dict[str, Any]:
        asked.append(scale)
        say(len(configs))
        return {key: {"times": {"step_ms": 7.0}, "machine": HERE} for key in configs}

    monkeypatch.setattr(step_time, "measure_blocks", measure)
    loads = iter((0.1, 1.5, 0.2, 0.3))
    monkeypatch.setattr(machine_load, "measure_load", lambda: next(loads))
    known = {"depth 1": times(2.0)}
    configs = {"depth 1": default_config(), "depth 4": replace(default_config(), depth=4)}
    said = timing_pass.time_all(
        timing_pass.Timing(store.root, "s", configs, "depth 1", known), lambda _: None, lambda: False
    )
    assert said == [0.1, 1.5]
    assert asked == [2.0] and store.timings("s") == {"depth 1": times(2.0), "depth 4": times(7.0, loads=[0.1, 1.5])}
    timing_pass.time_all(timing_pass.Timing(store.root, "s", configs, "depth 1", {}), lambda _: None, lambda: False)
    assert asked[1] is None and store.timings("s")["depth 1"] == times(7.0, loads=[0.2, 0.3])


def test_equal_architectures_share_a_key_and_an_edited_part_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    config = default_config()
    key = timing_pass.timing_key(config, "content")
    unseen: list[dict[str, Any]] = [{"seed": 7}, {"lr": 0.5}, {"epochs": 3}, {"keep": "last"}, {"probes": False}]
    unseen += [{"distill": Part(name="defensive")}, {"word_dropout": 0.1}]
    for same in unseen:
        assert timing_pass.timing_key(replace(config, **same), "content") == key, same
    changes: list[dict[str, Any]] = [{"depth": 9}, {"batch": 9}, {"kernel": "explicit"}, {"clip": 0.0}]
    changes += [{"devices": 2}, {"devices": 2, "parallel": "tensor"}, {"accumulate": 2}]
    changes += [{"adversarial": Part(name="pgd", keys=(("steps", n),))} for n in (1, 2)]
    others = [replace(config, **change) for change in changes]
    keys = {timing_pass.timing_key(other, "content") for other in others}
    assert len(keys | {key, timing_pass.timing_key(config, "other content")}) == 11
    monkeypatch.setattr(timing_pass, "part_sources", lambda _: {})
    assert timing_pass.timing_key(config, "content") != key


# ---- in a command


def stored_times(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("outputs/studies/*/times.json")
    return dict(read_json(path, checksum=True))


def test_only_new_architectures_are_timed_and_the_others_keep_their_times(tmp_path: Path) -> None:
    line = [*words(write_data(tmp_path / "d.csv"), "seeds=1"), "--study", "s"]
    first = stackattn("sweep", "depth=1,2", *line, cwd=tmp_path, timed=True)
    assert "timing 2 architectures" in first.stderr
    before = stored_times(tmp_path)
    more = stackattn("sweep", "depth=1,2,3", *line, cwd=tmp_path, timed=True)
    assert "timing 1 architecture\n" in more.stderr, more.stderr
    after = stored_times(tmp_path)
    assert len(after) == 3 and {key: after[key] for key in before} == before
    assert "timing" not in stackattn("sweep", "depth=1,2,3", *line, cwd=tmp_path, timed=True).stderr


def die(job: Any, say: Say, stop: Stop) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_crash_of_the_timing_worker_loses_only_the_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker process is killed at the first attempt and at the second."""
    monkeypatch.setattr(timing_pass, "time_all", die)
    line = words(write_data(tmp_path / "d.csv"), "seeds=1", "depth=1")
    done = stackattn("sweep", *line, "--csv", "-", cwd=tmp_path, timed=True)
    assert done.returncode == 0, done.stderr
    assert "no step times: the timing pass did not finish (its process died" in done.stderr
    assert "Traceback" not in done.stderr and "test_acc" in done.stdout.splitlines()[0]
    assert len(list(tmp_path.glob("outputs/runs/*/result.json"))) == 1
