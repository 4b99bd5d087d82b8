"""What is said while runs go on."""

import io

import pytest

from stackcli.experiment.console import Console
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
        shown.show(Outcome(0, "progress", (3, 10, 1.5, 1.25, 0.4)), None)
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


def terminal(monkeypatch: pytest.MonkeyPatch, total: int, width: int = 60) -> tuple[Progress, io.StringIO]:
    """Progress that writes into a text, as to a terminal of 10 lines."""
    text = io.StringIO()
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(
        "stackcli.experiment.progress.Console",
        lambda **given: Console(file=text, width=width, height=10, force_terminal=True, color_system=None),
    )
    return Progress(quiet=False, total=total, labels=[f"depth={i} seed=0" for i in range(total)]), text


def last_frame(shown: Progress, text: io.StringIO) -> list[str]:
    shown.live.refresh()
    return text.getvalue().rpartition("\x1b[2K")[2].splitlines()


WIDTHS = {  # columns -> the lines of a run that goes on
    120: ["depth=1 seed=0  3/10  train 1.500 val 1.250 acc 0.400"],
    80: ["depth=1 seed=0  3/10  train 1.500 val 1.250 acc 0.400"],
    45: ["depth=1 seed=0", "  3/10  train 1.500 val 1.250 acc 0.400"],
    40: ["depth=1 seed=0", "  3/10  train 1.500 val 1.250 acc 0.400"],
    35: ["depth=1 seed=0", "3/10 train 1.50 val 1.25 acc 0.40"],
    30: ["depth=1 seed=0", "  3/10", "  train 1.50 val 1.25 acc 0.40"],
}


@pytest.mark.parametrize("width", WIDTHS)
def test_the_display_says_how_far_each_run_is_at_any_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, text = terminal(monkeypatch, total=3, width=width)
    with shown:
        shown.show(Outcome(1, "started"), None)
        shown.show(Outcome(1, "progress", (3, 10, 1.5, 1.25, 0.4)), None)
        shown.show(Outcome(0, "started"), None)
        shown.show(Outcome(0, "done"), DONE)
        shown.show(Outcome(2, "started"), None)
        head, *rows = last_frame(shown, text)
    assert " 1/3 runs" in head and rows[:-1] == WIDTHS[width] and rows[-1].endswith("starting")
    assert max(map(len, [head, *rows])) <= width


def test_the_display_counts_what_failed_and_says_how_much_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of 1, 3 and 4 units: after 10 s one of 1 has failed and half of one of 4 is done, 3 of 8 units."""
    shown, text = terminal(monkeypatch, total=3, width=80)
    shown.work = [1.0, 3.0, 4.0]
    with shown:
        shown.show(Outcome(0, "failed", "ValueError: no"), None)
        assert shown.share() == 1 / 8
        shown.show(Outcome(2, "progress", (5, 10, 1.5, 1.25, 0.4)), None)
        monkeypatch.setattr("stackcli.experiment.progress.time.monotonic", lambda: shown.began + 10)
        assert shown.seconds_left() == pytest.approx(10 * 5 / 3)
        assert "1/3 runs, 1 failed, 17 s left" in last_frame(shown, text)[0]


def test_later_rounds_of_a_search_count_for_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Progress(quiet=False, total=12, labels=("a", "b"))
    shown.ended = 4
    with shown:
        shown.show(Outcome(0, "done"), DONE)
        assert shown.share() == 1 / 8  # 1 of the 8 runs after the first 4


def test_the_display_is_never_taller_than_the_screen_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, text = terminal(monkeypatch, total=40)
    with shown:
        for job in range(40):
            shown.show(Outcome(job, "started"), None)
        last = last_frame(shown, text)
        assert len(last) == 10 and max(map(len, last)) <= 60 and "0/40" in last[0]
        before = len(text.getvalue())
    after = text.getvalue()[before:]
    assert "depth=" not in after and after.count("\x1b[2K") >= 10  # every line is erased


def test_text_of_a_user_is_never_taken_for_markup() -> None:
    shown, text = progress()
    shown.say("[bold]x[/bold] :smile:")
    assert text.getvalue() == "[bold]x[/bold] :smile:\n"


def test_a_run_that_is_started_once_more_has_not_ended() -> None:
    shown, text = progress()
    shown.show(Outcome(0, "retried", "its process died (exit code -9)"), None)
    assert " ".join(text.getvalue().split()).endswith("(exit code -9); it is started again")
    assert shown.ended == 0
