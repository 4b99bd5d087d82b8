"""Processes of this machine: done, failed, lost, stopped."""

import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stackcli.experiment.live_files import process_birth
from stackcli.launcher.base import PREEMPTED, Outcome, Say, Stop
from stackcli.launcher.local import UNUSED, Local, _enter, describe_end

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


@pytest.fixture(params=[False, True], ids=["alone", "in turn"])
def shares(request: pytest.FixtureRequest) -> bool:
    """Whether jobs share a process."""
    return bool(request.param)


class Task(NamedTuple):
    kind: str
    folder: str = ""
    shares: bool = True


def task(job: Any, say: Say, stop: Stop) -> Any:
    kind, folder = job[:2]
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


def ended(kinds: list[str], folder: Path, shares: bool) -> list[Counter[str]]:
    """For each job, how often each state came."""
    seen: list[Counter[str]] = [Counter() for _ in kinds]
    for outcome in Local(workers=2, preload=()).run(task, [Task(kind, str(folder), shares) for kind in kinds]):
        seen[outcome.job][outcome.state] += 1
    return seen


def test_a_failed_job_is_not_tried_again_and_the_others_go_on(tmp_path: Path, shares: bool) -> None:
    fine, failed, fine_too = ended(["fine", "raises", "fine"], tmp_path, shares)
    assert fine["done"] == fine_too["done"] == 1
    assert failed["failed"] == failed["started"] == 1 and failed["done"] == 0


def test_a_killed_job_is_tried_once_more_and_then_lost(tmp_path: Path, shares: bool) -> None:
    lost, fine = ended(["dies", "fine"], tmp_path, shares)
    assert lost["started"] == 2 and lost["retried"] == lost["lost"] == 1 and lost["done"] == 0
    assert fine["done"] == 1
    assert len(list(tmp_path.glob("*.dies"))) == 2


def test_a_job_that_somebody_else_asked_to_stop_is_tried_again_until_it_makes_no_progress(
    tmp_path: Path, shares: bool
) -> None:
    idle, again, fine, slow = ended(["told", "told once", "fine", "told further"], tmp_path, shares)
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


# ---- jobs that share a process


def in_turn(most: int = 50, brief: float = math.inf) -> Local:
    """One worker whose processes take several jobs."""
    executor = Local(workers=1, preload=())
    executor.most, executor.brief = most, brief
    return executor


def tell_process(job: Task, say: Say, stop: Stop) -> int:
    kind = job.kind
    say({"pid": os.getpid()})
    if kind == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "raises":
        raise ValueError("a fault of the code")
    if kind == "told at its end":
        os.kill(os.getpid(), signal.SIGTERM)
    while kind == "waits" and not stop():
        time.sleep(0.01)
    if kind == "waits":
        raise SystemExit(PREEMPTED)
    return os.getpid()


def processes(outcomes: list[Outcome], jobs: int) -> list[list[int]]:
    """The processes that began each job."""
    told = [(o.job, o.detail["pid"]) for o in outcomes if o.state == "progress"]
    return [[pid for job, pid in told if job == wanted] for wanted in range(jobs)]


def test_short_jobs_share_a_process_in_turn_and_no_more_of_them_than_allowed() -> None:
    outcomes = list(in_turn(most=3).run(tell_process, [Task("fine")] * 7))
    pids = [pid for (pid,) in processes(outcomes, 7)]
    assert [pids.index(pid) for pid in pids] == [0, 0, 0, 3, 3, 3, 6]
    assert [(o.job, o.state) for o in outcomes if o.state != "progress"] == [
        (job, state) for job in range(7) for state in ("started", "done")
    ]
    assert [o.detail for o in outcomes if o.state == "done"] == pids


def test_after_a_long_job_and_by_default_each_has_a_process_of_its_own() -> None:
    assert len(set(map(tuple, processes(list(in_turn(brief=0.0).run(tell_process, [Task("fine")] * 3)), 3)))) == 3
    outcomes = list(in_turn().run(tell_process, [Task("fine", shares=False)] * 3))
    assert len(set(map(tuple, processes(outcomes, 3)))) == 3


def test_a_job_that_does_not_share_has_a_new_process_which_takes_no_other() -> None:
    jobs = [Task("fine"), Task("fine"), Task("fine", shares=False), Task("fine"), Task("fine")]
    first, second, alone, third, fourth = processes(list(in_turn().run(tell_process, jobs)), 5)
    assert first == second and third == fourth and len({*first, *alone, *third}) == 3


def test_a_process_in_which_a_job_failed_takes_no_other() -> None:
    outcomes = list(in_turn().run(tell_process, list(map(Task, ["fine", "raises", "fine"]))))
    first, failed, after = processes(outcomes, 3)
    assert first == failed != after
    assert [o.state for o in outcomes if o.state != "progress"].count("failed") == 1


@POSIX
def test_a_process_that_is_killed_loses_the_job_that_it_was_at_alone_and_that_is_tried_in_a_new_one() -> None:
    outcomes = list(in_turn().run(tell_process, list(map(Task, ["fine", "fine", "dies", "fine", "fine"]))))
    states = [(o.job, o.state) for o in outcomes if o.state not in ("started", "progress")]
    assert states == [(0, "done"), (1, "done"), (2, "retried"), (2, "lost"), (3, "done"), (4, "done")]
    first, second, died, after, last = processes(outcomes, 5)
    assert first == second == died[:1] and after == last and len({died[0], died[1], *after}) == 3
    assert all("died (exit code -9)" in o.detail for o in outcomes if o.state in ("retried", "lost"))


@POSIX
def test_a_signal_at_the_end_of_a_job_loses_nothing_and_is_no_attempt_at_the_next() -> None:
    outcomes = list(in_turn().run(tell_process, [Task("told at its end")] * 6))
    assert sum(o.state == "done" for o in outcomes) == 6
    assert {o.state for o in outcomes} <= {"started", "progress", "retried", "done"}
    pids = [pid for begun in processes(outcomes, 6) for pid in begun]
    assert len(set(pids)) == len(pids) == 6
    executor = in_turn()
    assert executor._ended(UNUSED) == "retried" and "asked to stop" in describe_end(UNUSED)
    executor.stop()
    assert executor._ended(UNUSED) == "stopped"


def test_asked_to_stop_while_a_job_is_handed_on_that_job_stops_and_none_follows() -> None:
    class Stopped(Local):
        def _watch(self, job: int, *worker: Any) -> None:
            if job == 2:
                self.stop()  # a signal while the job is sent
            super()._watch(job, *worker)

    executor, states = Stopped(workers=1, preload=()), []
    for outcome in executor.run(tell_process, list(map(Task, ["fine", "fine", "waits", "fine"]))):
        states += [(outcome.job, outcome.state)] if outcome.state != "progress" else []
    assert states[-2:] == [(2, "started"), (2, "stopped")] and all(job < 3 for job, _ in states)


def wait_for_jobs() -> tuple[Any, Connection]:
    """A worker that has done a job and waits for the next; and the driver's end of its pipe."""
    context = Local(workers=1, preload=()).context
    ours, theirs = context.Pipe(duplex=True)
    process = context.Process(target=_enter, args=(tell_process, Task("fine"), theirs, (), 9, math.inf), daemon=True)
    process.start()
    theirs.close()
    while ours.recv()[0] != "free":
        pass
    return process, ours


@POSIX
def test_a_worker_that_waits_leaves_at_once_when_the_driver_has_gone_or_asks_or_at_a_signal() -> None:
    process, pipe = wait_for_jobs()
    pipe.close()
    process.join(10)
    assert process.exitcode == 0
    process, pipe = wait_for_jobs()
    pipe.send(("stop", None))
    process.join(10)
    assert process.exitcode == 0
    process, pipe = wait_for_jobs()
    os.kill(process.pid, signal.SIGTERM)
    process.join(10)
    assert process.exitcode == UNUSED


DRIVER = """
import time
from tests.launcher.test_local import Local, Task, tell_process

class Slow(Local):
    def _hand_on(self, process, pipe):
        print(process.pid, *[other.pid for other, _ in self.running.values()], flush=True)
        time.sleep(60)

if __name__ == "__main__":
    list(Slow(workers=2, preload=()).run(tell_process, [Task("fine"), Task("waits")]))
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells a process that has ended")
def test_workers_end_with_a_driver_that_is_killed_also_one_that_waits(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=env) as driver:
        assert driver.stdout is not None
        workers = [int(pid) for pid in driver.stdout.readline().split()]
        time.sleep(0.1)
        assert [bool(process_birth(pid)) for pid in workers] == [True, True]
        driver.kill()
    deadline = time.monotonic() + 10
    while any(map(process_birth, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(process_birth, workers))
