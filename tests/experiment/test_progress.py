"""What is said while runs go on."""

import io

import pytest
from rich.console import Console

from stackcli.experiment.progress import Progress
from stackcli.launcher.base import Outcome

DONE = {"status": "done", "test_acc": 0.75, "gap_end": 0.5}


def progress(quiet: bool = False, total: int = 2) -> tuple[Progress, io.StringIO]:
    """Progress that writes into a text, as to a file."""
    shown, text = Progress(quiet=quiet, total=total, labels=[f"depth={i} seed=0" for i in range(total)]), io.StringIO()
    shown.console.file = text
    shown.console.width = 60
    return shown, text


def test_each_run_that_ends_is_a_plain_line_where_there_is_no_terminal() -> None:
    shown, text = progress()
    with shown:
        shown.show(Outcome(0, "started"), None)
        shown.show(Outcome(0, "progress", (3, 10, 1.5)), None)
        shown.show(Outcome(0, "done"), DONE)
        shown.show(Outcome(1, "done"), {"status": "diverged", "diverged_step": 7})
    assert text.getvalue().splitlines() == [
        "[1/2] depth=0 seed=0: test accuracy 0.750, gap 0.50 nats",
        "[2/2] depth=1 seed=0: DIVERGED at step 7",
    ]


def test_a_run_that_was_stopped_says_that_its_state_is_saved() -> None:
    shown, text = progress()
    shown.show(Outcome(0, "stopped", None), None)
    assert text.getvalue().strip() == "[0/2] depth=0 seed=0: stopped, its state is saved"


def test_quiet_says_nothing_but_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    shown, text = progress(quiet=True)
    shown.say("something")
    shown.show(Outcome(0, "done"), DONE)
    shown.show(Outcome(1, "failed", "ValueError: no"), None)
    assert text.getvalue() == "" and capsys.readouterr().err == "[2/2] depth=1 seed=0: FAILED: ValueError: no\n"


def terminal(monkeypatch: pytest.MonkeyPatch, total: int) -> tuple[Progress, io.StringIO]:
    """Progress that writes into a text, as to a terminal of 60 by 10 characters."""
    text = io.StringIO()
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(
        "stackcli.experiment.progress.Console",
        lambda **given: Console(file=text, width=60, height=10, force_terminal=True, color_system=None),
    )
    return Progress(quiet=False, total=total, labels=[f"depth={i} seed=0" for i in range(total)]), text


def test_the_bars_of_a_terminal_say_how_far_each_run_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, text = terminal(monkeypatch, total=3)
    with shown:
        shown.show(Outcome(1, "started"), None)
        shown.show(Outcome(1, "progress", (3, 10, 1.5)), None)
        shown.show(Outcome(0, "started"), None)
        shown.show(Outcome(0, "done"), DONE)
        shown.bars.refresh()
        last = text.getvalue().rpartition("\x1b[2K")[2].splitlines()
    assert [line.split()[:2] for line in last] == [["3", "runs"], ["depth=1", "seed=0"]]
    assert " 1/3 " in last[0] and " 3/10 " in last[1] and " loss 1.500 " in last[1]


def test_the_bars_are_never_taller_than_the_screen_and_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, text = terminal(monkeypatch, total=40)
    with shown:
        for job in range(40):
            shown.show(Outcome(job, "started"), None)
        shown.bars.refresh()
        last = text.getvalue().rpartition("\x1b[2K")[2].splitlines()
        assert len(last) == 10 and max(map(len, last)) <= 60 and "0/40" in last[0]
        before = len(text.getvalue())
    assert "depth=" not in text.getvalue()[before:]


def test_text_of_a_user_is_never_taken_for_markup() -> None:
    shown, text = progress()
    shown.say("[bold]x[/bold] :smile:")
    assert text.getvalue() == "[bold]x[/bold] :smile:\n"


def test_a_run_that_is_started_once_more_has_not_ended() -> None:
    shown, text = progress()
    shown.show(Outcome(0, "retried", "its process died (exit code -9)"), None)
    assert " ".join(text.getvalue().split()).endswith("(exit code -9); it is started once more")
    assert shown.ended == 0
