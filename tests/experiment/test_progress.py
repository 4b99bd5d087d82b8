"""What is said while runs go on."""

import io

import pytest
from rich.console import Console

from stackcli.experiment.progress import Progress
from stackcli.launcher.base import Outcome

DONE = {"status": "done", "test_acc": 0.75, "gap_end": 0.5}


def progress(quiet: bool = False, total: int = 2) -> tuple[Progress, io.StringIO]:
    made = Progress(quiet=quiet, total=total, labels=[f"depth={i} seed=0" for i in range(total)])
    text = io.StringIO()
    made.console = Console(file=text, width=60, height=10, highlight=False, markup=False, emoji=made.console._emoji)
    return made, text


def test_each_run_that_ends_is_a_plain_line_where_there_is_no_terminal() -> None:
    made, text = progress()
    with made:
        made.show(Outcome(0, "started"), None)
        made.show(Outcome(0, "progress", (3, 10, 1.5)), None)
        made.show(Outcome(0, "done"), DONE)
        made.show(Outcome(1, "done"), {"status": "diverged", "diverged_step": 7})
    assert text.getvalue().splitlines() == [
        "[1/2] depth=0 seed=0: test accuracy 0.750, gap 0.50 nats",
        "[2/2] depth=1 seed=0: DIVERGED at step 7",
    ]


def test_a_run_that_was_stopped_says_that_its_state_is_saved() -> None:
    made, text = progress()
    made.show(Outcome(0, "stopped", None), None)
    assert text.getvalue().strip() == "[0/2] depth=0 seed=0: stopped, its state is saved"


def test_quiet_says_nothing_but_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    made, text = progress(quiet=True)
    made.say("something")
    made.show(Outcome(0, "done"), DONE)
    made.show(Outcome(1, "failed", "ValueError: no"), None)
    assert text.getvalue() == "" and capsys.readouterr().err == "[2/2] depth=1 seed=0: FAILED: ValueError: no\n"


def test_the_live_table_is_never_taller_than_the_screen() -> None:
    made, text = progress(total=40)
    for job in range(40):
        made.running[job] = (job, 100, 1.0)
    made.console.print(made._table())
    lines = text.getvalue().splitlines()
    assert len(lines) <= 10 and max(map(len, lines)) <= 60 and "0/40 runs" in lines[0]


def test_text_of_a_user_is_never_taken_for_markup() -> None:
    made, text = progress()
    made.say("[bold]x[/bold] :smile:")
    assert text.getvalue() == "[bold]x[/bold] :smile:\n"


def test_a_run_that_is_started_once_more_has_not_ended() -> None:
    made, text = progress()
    made.show(Outcome(0, "retried", "its process died (exit code -9)"), None)
    assert " ".join(text.getvalue().split()).endswith("(exit code -9); it is started once more")
    assert made.ended == 0
