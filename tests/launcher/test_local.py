"""Processes of this machine: done, failed, lost, stopped."""

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from stackcli.launcher.base import PREEMPTED, Say, Stop
from stackcli.launcher.local import Local


def task(job: Any, say: Say, stop: Stop) -> Any:
    kind, folder = job
    with open(Path(folder) / f"{os.getpid()}.{kind}", "w"):
        pass
    attempts = len(list(Path(folder).glob(f"*.{kind}")))
    say((min(attempts, 4) if kind == "told further" else 1, 2, 0.5))
    if kind == "raises":
        raise ValueError("a fault of the code")
    if kind == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind in ("told", "told further"):
        raise SystemExit(PREEMPTED)
    if kind == "told once" and attempts == 1:
        os.kill(os.getpid(), signal.SIGTERM)  # from somebody else
        assert stop()
        raise SystemExit(PREEMPTED)
    if kind == "unsendable":
        return lambda: None
    if kind == "waits":
        for _ in range(200):
            time.sleep(0.05)
            if stop():
                raise SystemExit(PREEMPTED)
    return f"{kind} returned"


def ended(kinds: list[str], folder: Path, workers: int = 2) -> list[Counter[str]]:
    """For each job, how often each state came."""
    seen: list[Counter[str]] = [Counter() for _ in kinds]
    for outcome in Local(workers=workers, preload=()).run(task, [(kind, str(folder)) for kind in kinds]):
        seen[outcome.job][outcome.state] += 1
    return seen


def test_a_failed_job_is_not_tried_again_and_the_others_go_on(tmp_path: Path) -> None:
    fine, failed, fine_too = ended(["fine", "raises", "fine"], tmp_path)
    assert fine["done"] == fine_too["done"] == 1
    assert failed["failed"] == failed["started"] == 1 and failed["done"] == 0


def test_a_killed_job_is_tried_once_more_and_then_lost(tmp_path: Path) -> None:
    lost, fine = ended(["dies", "fine"], tmp_path)
    assert lost["started"] == 2 and lost["retried"] == lost["lost"] == 1 and lost["done"] == 0
    assert fine["done"] == 1
    assert len(list(tmp_path.glob("*.dies"))) == 2


def test_a_job_that_somebody_else_asked_to_stop_is_tried_again_until_it_makes_no_progress(tmp_path: Path) -> None:
    idle, again, fine, slow = ended(["told", "told once", "fine", "told further"], tmp_path)
    assert idle["retried"] == idle["preempted"] == 1 and not idle["stopped"] and not idle["done"]
    assert slow["retried"] == 4 and slow["preempted"] == 1 and slow["started"] == 5
    assert again["retried"] == again["done"] == 1 and not again["stopped"] and fine["done"] == 1
    outcomes = list(Local(workers=1, preload=()).run(task, [("told", str(tmp_path))]))
    assert "asked to stop by a signal that was not ours" in outcomes[-1].detail


def test_a_failure_carries_its_traceback(tmp_path: Path) -> None:
    outcomes = list(Local(workers=1, preload=()).run(task, [("raises", str(tmp_path))]))
    assert outcomes[-1].state == "failed" and "ValueError: a fault of the code" in outcomes[-1].detail


def test_the_driver_gets_what_a_job_returned_and_a_failure_where_it_cannot_be_sent(tmp_path: Path) -> None:
    jobs = [("fine", str(tmp_path)), ("unsendable", str(tmp_path))]
    last = {outcome.job: outcome for outcome in Local(workers=1, preload=()).run(task, jobs)}
    assert (last[0].state, last[0].detail) == ("done", "fine returned")
    assert last[1].state == "failed" and "pickle" in last[1].detail


def test_asked_to_stop_running_jobs_save_and_leave_and_nothing_new_starts(tmp_path: Path) -> None:
    executor = Local(workers=1, preload=())
    states: list[tuple[int, str]] = []
    for outcome in executor.run(task, [("waits", str(tmp_path)), ("fine", str(tmp_path))]):
        states.append((outcome.job, outcome.state))
        if outcome.state == "progress":
            executor.stop()
    assert states[-1] == (0, "stopped")
    assert all(job == 0 for job, _ in states)


def test_never_more_workers_than_asked_for(tmp_path: Path) -> None:
    executor, most = Local(workers=2, preload=()), 0
    for _ in executor.run(task, [("fine", str(tmp_path))] * 5):
        most = max(most, len(executor.running))
    assert most == 2


def test_a_stop_that_comes_while_a_process_starts_reaches_it(tmp_path: Path) -> None:
    executor, states = Local(workers=1, preload=()), []
    for outcome in executor.run(task, [("waits", str(tmp_path))]):
        states.append(outcome.state)
        if outcome.state == "started":
            executor.stop()
    assert states[-1] == "stopped" and "lost" not in states


def test_stopping_at_once_loses_no_run_for_good(tmp_path: Path) -> None:
    executor, states = Local(workers=1, preload=()), []
    for outcome in executor.run(task, [("waits", str(tmp_path))]):
        states.append(outcome.state)
        if outcome.state == "progress":
            executor.stop(now=True)
    assert states[-1] == "stopped" and "lost" not in states


def tell_stages(job: int, say: Say, stop: Stop) -> None:
    for number in range(3):
        say((number, 3))
        say({"stage": str(number)})


def test_numbers_are_reported_now_and_then_but_every_stage() -> None:
    said = [outcome.detail for outcome in Local(workers=1, preload=[]).run(tell_stages, [0]) if outcome.detail]
    assert [detail for detail in said if isinstance(detail, dict)] == [{"stage": str(n)} for n in range(3)]
    assert [detail for detail in said if isinstance(detail, tuple)][:1] == [(0, 3)]
