"""The commands as functions: the same runs, the same errors, and a well-behaved guest in a notebook or a script."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import stackcli as sa
from stackcli.experiment import study as studies
from stackcli.experiment import worker
from tests.helpers import environment, stackattn

ROOT = Path(__file__).parents[2]


def test_a_function_and_a_command_make_the_same_study_of_the_same_runs(
    study: sa.Study, place: Path, settings: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    typed = [f"{key}={str(value).lower()}" for key, value in settings.items() if key != "data.path"]
    done = stackattn("sweep", "depth=1,2", "seeds=3", *typed, f"data.path={place / 't.csv'}", cwd=place)
    assert "6 finished before, 0 to train" in done.stderr
    newest = sa.load(place / "outputs")
    assert newest.runs["run"].tolist() == study.runs["run"].tolist() and newest.name == study.name


def test_texts_and_keywords_are_settings_alike(study: sa.Study, place: Path, settings: dict[str, Any]) -> None:
    same = sa.sweep("depth=1,2", "seeds=3", out=place / "outputs", study="again", quiet=True, **settings)
    assert same.runs["run"].tolist() == study.runs["run"].tolist() and same.name == "again"


def test_progress_goes_to_stderr_nothing_to_stdout_and_quiet_is_silent(
    study: sa.Study, place: Path, settings: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    sa.sweep(out=place / "outputs", depth=[1, 2], seeds=3, **settings)
    told = capfd.readouterr()
    assert told.out == "" and "6 finished before, 0 to train" in told.err
    sa.sweep(out=place / "outputs", depth=[1, 2], seeds=3, quiet=True, **settings)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("call", "typed"),
    [
        (lambda: sa.sweep(dpeth=[1, 2]), ("sweep", "dpeth=1,2")),
        (lambda: sa.train(depth=[1, 2]), ("train", "depth=1,2")),
        (lambda: sa.train(pe="rop"), ("train", "pe=rop")),
        (lambda: sa.train("depth=1", depth=2), ("train", "depth=1", "depth=2")),
        (lambda: sa.train("depth"), ("train", "depth")),
        (lambda: sa.train({"pe.clipp": 8}, pe="relative"), ("train", "pe.clipp=8", "pe=relative")),
        (lambda: sa.sweep(depth=0, lr=-1.0), ("sweep", "depth=0", "lr=-1.0")),
        (lambda: sa.sweep(depth=1, jobs=-1), ("sweep", "depth=1", "--jobs", "-1")),
        (lambda: sa.sweep(depth=1, study="a/b"), ("sweep", "depth=1", "--study", "a/b")),
        (lambda: sa.sweep(launcher="cloud"), ("sweep", "launcher=cloud")),
        (lambda: sa.sweep(tune="pe=rope"), ("sweep", "--tune", "pe=rope")),
        (lambda: sa.sweep(figures="gif"), ("sweep", "--figures", "gif")),
        (lambda: sa.compare_pe(pe="rope", quiet=True), ("compare-pe", "pe=rope", "--quiet")),
        (lambda: sa.ablate_depth(depth="deep"), ("ablate-depth", "depth=deep")),
        (lambda: sa.sweep(experiment="none-such"), ("sweep", "--experiment", "none-such")),
    ],
)
def test_what_is_refused_is_refused_with_the_words_of_the_command_line(
    call: Callable[[], sa.Study], typed: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError) as refused:
        call()
    said = stackattn(*typed, cwd=tmp_path, figures="--figures" in typed)
    errors = [line for line in said.stderr.splitlines() if line.startswith("error: ")]
    assert said.returncode == 2 and [f"error: {line}" for line in str(refused.value).split("\n")] == errors


def test_many_runs_need_a_yes(tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "ASK_ABOVE", 1)
    with pytest.raises(ValueError, match="write yes=True"):
        sa.sweep(out=tmp_path, quiet=True, seeds=2, **settings)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_stops_the_runs_is_passed_on_and_the_same_call_goes_on(
    number: signal.Signals, tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, seen = worker.run_plan, list[int]()

    def stopped(*given: Any) -> Iterator[Any]:
        found = plain(*given)
        yield next(found)
        signal.raise_signal(number)
        yield from found

    before = signal.signal(number, lambda number, _: seen.append(number))
    try:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="the same call goes on"):
            patch.setattr(worker, "run_plan", stopped)
            sa.sweep(out=tmp_path, quiet=True, jobs=1, seeds=2, **settings)
    finally:
        signal.signal(number, before)
    assert seen == ([number] if number == signal.SIGTERM else [])  # Ctrl-C is an exception already
    left = sa.load(tmp_path).runs["status"].eq("done").sum()
    assert left < 2
    again = sa.sweep(out=tmp_path, quiet=True, jobs=1, seeds=2, **settings)
    assert again.runs["status"].tolist() == ["done", "done"]


def test_a_study_can_be_trained_in_a_thread(tmp_path: Path, settings: dict[str, Any]) -> None:
    found = list[sa.Study]()
    thread = threading.Thread(target=lambda: found.append(sa.train(out=tmp_path, quiet=True, **settings)))
    thread.start()
    thread.join(120)
    assert found and found[0].runs["status"].tolist() == ["done"]


@pytest.mark.slow  # what workers see of the script is tested by common/test_main_module
def test_a_script_without_a_guard_runs_once(place: Path, tmp_path: Path) -> None:
    """multiprocessing would run the script again in every worker, which fails, as it would start workers itself."""
    script = tmp_path / "script.py"
    path = f"data.path={place / 't.csv'}"
    script.write_text(
        "import stackcli as sa\n"
        "print('here', flush=True)\n"
        f"study = sa.train({path!r}, data='csv', dim=8, heads=2, steps=2, probes=False)\n"
        "print(study.runs['status'].tolist())\n"
    )
    env = environment(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["here", "['done']"]
