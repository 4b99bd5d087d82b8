"""The launcher that a command names."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from stackcli.config.settings import Options, Part
from stackcli.experiment.executor import build_executor, check_local
from stackcli.launcher.base import Executor, Outcome, Work
from stackcli.launcher.local import Local
from tests.helpers import installed, stackattn, words, write_data


def options(launcher: str = "local", **keys: Any) -> Options:
    part = Part(name=launcher, keys=tuple(keys.items()))
    return Options(command="sweep", out=Path("outputs"), jobs=3, launcher=part)


def test_the_usual_launcher_is_this_machine() -> None:
    executor = build_executor(options(), [])
    assert isinstance(executor, Local) and executor.workers == 3 and executor.here


MINE = """
from stackcli.launcher.base import Executor, Outcome

class Mine(Executor):
    "Runs nothing on machines that are not there."
    def __init__(self, *, folder, queue: str = "short") -> None:
        self.folder, self.queue = folder, queue
    def run(self, work, jobs):
        for job in range(len(jobs)):
            yield Outcome(job, "lost", f"the queue {self.queue} is closed")
    def stop(self, *, now=False) -> None: ...

class Other:
    pass
"""


def write_package(folder: Path, name: str) -> None:
    info = folder / "minepkg-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "minepkg.py").write_text(MINE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: minepkg\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[stackattn.launcher]\nmine = minepkg:{name}\n")


def test_an_installed_launcher_gets_its_keys_and_what_it_asks_for(tmp_path: Path) -> None:
    write_package(tmp_path / "site", "Mine")
    line = words(write_data(tmp_path / "d.csv"), "depth=1", "seeds=1")
    with installed(tmp_path / "site"):
        done = stackattn("sweep", *line, "launcher=mine", "mine.queue=long", cwd=tmp_path)
    assert done.returncode == 1 and "LOST: the queue long is closed" in done.stderr
    assert "launcher=mine (queue=long)" in done.stderr and "launcher=mine mine.queue=long" in done.stderr


def test_an_installed_launcher_of_another_class_is_refused(tmp_path: Path) -> None:
    write_package(tmp_path / "site", "Other")
    with installed(tmp_path / "site"):
        done = stackattn("sweep", "launcher=mine", "--dry-run", cwd=tmp_path)
    assert done.returncode == 2 and "is not a subclass of the class that stackcli.launcher.base defines" in done.stderr


@pytest.mark.parametrize("command", ["probe", "cost"])
def test_a_command_that_measures_here_refuses_a_launcher(command: str, tmp_path: Path) -> None:
    check_local(options())
    done = stackattn(command, "launcher=ray", cwd=tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr.splitlines()[-1] == f"error: launcher=ray: {command} measures on this machine; leave launcher out"
    )


class Closing(Executor):
    """Loses every job, and notes that it was closed."""

    closed = 0

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[Outcome]:
        for job in range(len(jobs)):
            yield Outcome(job, "preempted", "told to leave")

    def close(self) -> None:
        Closing.closed += 1


def test_a_study_closes_its_launcher_and_counts_preempted_runs_as_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stackcli.launcher.local.Local", lambda **_: Closing())
    line = words(write_data(tmp_path / "d.csv"), "depth=1", "seeds=2")
    done = stackattn("sweep", *line, cwd=tmp_path)
    assert done.returncode == 1 and Closing.closed == 1
    assert done.stderr.count("PREEMPTED: told to leave") == 2 and "2 of 2 runs were preempted" in done.stdout
