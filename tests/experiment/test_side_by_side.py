import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from stackcli.experiment import side_by_side
from stackcli.experiment.side_by_side import make_each, process_count

NAMES = [f"name {i}" for i in range(9)]
forks = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)


T = TypeVar("T")


def make_all(make: Callable[[str], T], names: list[str]) -> dict[str, T]:
    return {name: made() for name, made in make_each(make, names)}


@forks
def test_every_name_is_made_once_and_in_other_processes(tmp_path: Path, two_processors: None) -> None:
    def make(name: str) -> tuple[str, int]:
        with open(tmp_path / name, "x"):  # fails the second time
            return name.upper(), os.getpid()

    found = make_all(make, NAMES)
    assert sorted(found) == NAMES
    assert {name: text for name, (text, _) in found.items()} == {name: name.upper() for name in NAMES}
    assert os.getpid() not in {process for _, process in found.values()}


@forks
def test_what_this_process_holds_is_there_in_the_others(two_processors: None) -> None:
    held = {name: object() for name in NAMES}
    found = make_all(lambda name: id(held[name]), NAMES)
    assert found == {name: id(value) for name, value in held.items()}


@pytest.mark.parametrize("processors", [1, 2])
def test_an_error_is_raised_here_when_its_name_is_asked_for(processors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)

    def make(name: str) -> str:
        if name == NAMES[3]:
            raise LookupError("no such figure")
        return name

    made, failed = [], []
    for name, result in make_each(make, NAMES):
        try:
            made.append(result())
        except LookupError as error:
            failed.append((name, str(error)))
    assert sorted(made) == sorted(set(NAMES) - {NAMES[3]})
    assert failed == [(NAMES[3], "no such figure")]


@forks
def test_what_was_lost_with_its_process_is_made_here(two_processors: None) -> None:
    own = os.getpid()

    def make(name: str) -> int:
        if os.getpid() != own and name in NAMES[:2]:  # the first name of each process
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    assert make_all(make, NAMES) == dict.fromkeys(NAMES, own)  # no process was left for the other names


@forks
def test_one_lost_process_leaves_the_rest_to_the_others(two_processors: None) -> None:
    own = os.getpid()

    def make(name: str) -> int:
        if os.getpid() != own and name == NAMES[4]:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    found = make_all(make, NAMES)
    assert [name for name, process in found.items() if process == own] == [NAMES[4]]
    assert sorted(found) == NAMES


@forks
def test_processes_end_when_the_loop_is_left(two_processors: None) -> None:
    def make(name: str) -> int:
        return os.getpid()

    seen = []
    for _, made in make_each(make, NAMES):
        seen.append(made())
        break
    del made
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _is_running(int(seen[0])):
        time.sleep(0.01)
    assert not _is_running(int(seen[0]))


def _is_running(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


KILLED = """
import os, sys, time
from stackcli.experiment import side_by_side
os.sched_getaffinity = lambda _: {0, 1}
def make(name):
    print(os.getpid(), flush=True)
    time.sleep(.2)
for _ in side_by_side.make_each(make, [str(i) for i in range(400)]):
    pass
"""


@forks
def test_processes_end_soon_after_the_one_that_forked_them_was_killed() -> None:
    driver = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    with driver.stdout:
        workers = {int(driver.stdout.readline()) for _ in range(2)}
        driver.kill()
        driver.wait()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and any(map(_is_running, workers)):
            time.sleep(0.02)
    assert not any(map(_is_running, workers))


def test_few_things_one_processor_and_other_systems_need_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert [process_count(things) for things in (0, 1, 3, 4, 5, 6, 100)] == [1, 1, 1, 2, 2, 3, 3]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert process_count(100) == side_by_side.MOST
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)
    assert process_count(100) == 1
    monkeypatch.setattr(sys, "platform", "darwin")
    assert process_count(100) == 1
