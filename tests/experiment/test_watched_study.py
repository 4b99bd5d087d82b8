"""What a study is doing, put together from its files."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stackcli.experiment.live_files import LiveRun, LiveWork
from stackcli.experiment.store import Store
from stackcli.experiment.watched_study import Snapshot, StudyWatch, WatchedRun, choose_study, describe_workers
from tests.experiment.examples import empty_study, publish_run, study_entry, write_live

RUNS = ("abc", "bad", "cde")


def make_store(tmp_path: Path, runs: tuple[str, ...] = RUNS, name: str = "s", **more: Any) -> Store:
    store = Store(tmp_path / "o")
    store.create()
    store.save_study(name, {**empty_study(), "runs": [study_entry(run) for run in runs], **more})
    return store


def states(found: Snapshot) -> dict[str, str]:
    return {run.run: run.state for run in found.runs}


def test_a_run_is_planned_running_failed_or_finished_as_the_files_say(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    watch = StudyWatch(store, "s")
    assert states(watch.snapshot()) == dict.fromkeys(RUNS, "planned")
    log = store.log_failure("bad", "Traceback")
    write_live(store.study("s"))
    found = watch.snapshot()
    assert states(found) == {"abc": "running", "bad": "failed", "cde": "planned"}
    live = {run.run: run for run in found.runs}
    assert live["abc"].live and live["abc"].live.told == (3, 10, 1.5)
    assert (live["bad"].why, live["bad"].log) == ("ValueError: no", str(log))
    publish_run(store, "bad")
    publish_run(store, "cde", status="diverged", diverged_step=3)
    assert states(watch.snapshot()) == {"abc": "running", "bad": "finished", "cde": "diverged"}


def test_a_run_that_is_trained_again_with_force_is_running(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    publish_run(store, "abc")
    write_live(store.study("s"))
    assert states(StudyWatch(store, "s").snapshot())["abc"] == "running"


def test_a_damaged_result_is_named_and_ends_nothing(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    publish_run(store, "abc")
    path = store.run("abc") / "result.json"
    path.write_text(path.read_text().replace("0.5", "0.6"))
    found = StudyWatch(store, "s").snapshot()
    assert states(found)["abc"] == "damaged" and "result.json" in found.runs[0].why and found.code == 1


def test_of_two_processes_the_one_that_trains_a_run_is_shown(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    run = {"run": "abc", "label": "a", "stage": "training", "host": "one", "pid": 1, "told": [3, 10]}
    waits = {**run, "stage": "waiting for another process that trains it", "host": "two", "told": []}
    for first, second in ((run, waits), (waits, run)):
        write_live(store.study("s"), "one-1.json", running=[first])
        write_live(store.study("s"), "two-1.json", running=[second])
        found = StudyWatch(store, "s").snapshot()
        (shown,) = (run.live for run in found.runs if run.live)
        assert shown.host == "one" and len(found.works) == 2


def work(**more: Any) -> LiveWork:
    usual = LiveWork("h", 1, True, 0.0, "", 4, 2, 10.0, (), {}, None)
    return replace(usual, **more)


def snapshot(*works: LiveWork, finished: int = 2, failed: int = 0, total: int = 4, **more: Any) -> Snapshot:
    kinds = ["finished"] * finished + ["failed"] * failed + ["planned"] * (total - finished - failed)
    runs = tuple(WatchedRun(str(i), "", kind) for i, kind in enumerate(kinds))  # type: ignore[arg-type]
    return Snapshot("s", runs, total, works, (), "", **more)


def test_the_time_left_is_that_of_all_processes_together() -> None:
    """One that needs 10 s for 2 runs and one that needs 20 s for them make .2 + .1 runs a second: 2 take 6.67 s."""
    assert snapshot(work()).seconds_left == pytest.approx(10)
    assert snapshot(work(), work(seconds_left=20.0)).seconds_left == pytest.approx(20 / 3)
    assert snapshot(work(age=4.0)).seconds_left == pytest.approx(6)
    assert snapshot(work(seconds_left=None)).seconds_left is None and snapshot().seconds_left is None
    assert snapshot(work(count=("figures drawn", 1, 20), seconds_left=3.0)).seconds_left == 3.0


def test_the_share_counts_what_is_done_of_runs_that_go_on() -> None:
    live = LiveRun("x", "", "training", "h", 1, (5.0, 10.0))
    found = snapshot(work())
    runs = (*found.runs[:3], WatchedRun("x", "", "running", live))
    assert replace(found, runs=runs).share == pytest.approx(2.5 / 4)


@pytest.mark.parametrize(
    ("works", "finished", "failed", "state", "code"),
    [
        ((work(),), 2, 0, "running", 0),
        ((work(),), 2, 1, "running", 1),
        ((work(),), 4, 0, "running", 0),  # it measures, or draws
        ((), 4, 0, "complete", 0),
        ((), 3, 1, "complete", 1),
        ((), 2, 1, "stalled", 1),
        ((), 0, 0, "stalled", 1),
    ],
)
def test_the_exit_code_tells_a_complete_study_from_one_with_failed_or_missing_runs(
    works: tuple[LiveWork, ...], finished: int, failed: int, state: str, code: int
) -> None:
    found = snapshot(*works, finished=finished, failed=failed)
    assert (found.complete, found.stalled, found.code) == (state == "complete", state == "stalled", code)


def test_a_search_that_has_just_begun_has_the_runs_that_its_process_trains(tmp_path: Path) -> None:
    store = make_store(tmp_path, name="other")
    (store.root / "studies" / "s").mkdir()
    write_live(store.root / "studies" / "s")
    found = StudyWatch(store, "s").snapshot()
    assert states(found) == {"abc": "running", "bad": "failed"} and (found.total, found.complete) == (6, False)


def test_a_search_that_was_stopped_is_not_complete(tmp_path: Path) -> None:
    store = make_store(tmp_path, planned=5)
    for run in RUNS:
        publish_run(store, run)
    found = StudyWatch(store, "s").snapshot()
    assert (found.total, found.finished, found.stalled) == (5, 3, True)


def test_the_study_is_the_one_named_or_the_newest_that_is_worked_on_or_the_newest(tmp_path: Path) -> None:
    store = make_store(tmp_path, name="old")
    make_store(tmp_path, name="middle")
    make_store(tmp_path, name="new")
    for age, name in ((300, "old"), (200, "middle"), (100, "new")):
        path = store.study(name) / "study.json"
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    assert choose_study(store, "") == "new"
    write_live(store.study("old"))
    assert choose_study(store, "") == "old"
    write_live(store.study("middle"))
    assert choose_study(store, "") == "middle" and choose_study(store, "new") == "new"
    for name in ("none", "../studies/old", "old/../old", "."):
        with pytest.raises(ValueError, match="no such study"):
            choose_study(store, name)


def test_the_command_that_goes_on_is_that_of_the_study_else_that_of_a_process(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    write_live(store.study("s"), again="stackattn sweep x")
    assert StudyWatch(store, "s").snapshot().again == "stackattn sweep x"
    make_store(tmp_path, again="stackattn sweep y")
    assert StudyWatch(store, "s").snapshot().again == "stackattn sweep y"


def test_nothing_is_written_and_no_lock_is_taken(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    publish_run(store, "abc")
    write_live(store.study("s"))
    with store.locked_study("s"):
        before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
        assert len(StudyWatch(Store(store.root, create=False), "s").snapshot().runs) == 3
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == before


def test_a_study_that_grows_is_read_again(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    watch = StudyWatch(store, "s")
    assert len(watch.snapshot().runs) == 3
    make_store(tmp_path, (*RUNS, "def"))
    assert len(watch.snapshot().runs) == 4


def test_a_process_of_another_machine_is_named_with_it() -> None:
    assert describe_workers([work(), work(host="b", pid=2)]) == "h:1, b:2"


def test_a_status_of_the_study_says_that_a_run_failed_where_its_process_has_ended(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    path = store.study("s") / "study.json"
    study = json.loads(path.read_text())
    study["runs"][0]["status"] = "lost"
    del study["checksum"]
    store.save_study("s", study)
    found = StudyWatch(store, "s").snapshot()
    assert states(found)["abc"] == "failed" and "lost" in found.runs[0].why
