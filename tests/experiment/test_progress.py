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


def test_what_failed_stays_on_the_display_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, text = terminal(monkeypatch, total=12, width=50)
    with shown:
        for job in range(4):
            shown.show(Outcome(job, "failed", f"ValueError: no {job}"), None)
        for job in range(4, 12):
            shown.show(Outcome(job, "started"), None)
        frame = last_frame(shown, text)
    assert len(frame) == 10 and frame[-3:] == [f"failed: depth={i} seed=0: ValueError: no {i}" for i in (1, 2, 3)]


def test_the_display_says_what_each_worker_does(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, text = terminal(monkeypatch, total=2)
    worker = {"host": "vm", "pid": 7}
    with shown:
        shown.show(Outcome(0, "progress", {"stage": "loading", **worker}), None)
        shown.show(Outcome(1, "progress", (10, 10, 1.5, 1.25, 0.4)), None)
        shown.show(Outcome(1, "progress", {"stage": "publishing", **worker}), None)
        assert last_frame(shown, text)[1:] == [
            "depth=0 seed=0  loading",
            "depth=1 seed=0",
            "  10/10 publishing  train 1.500 val 1.250 acc 0.400",
        ]
        shown.show(Outcome(0, "progress", (1, 10)), None)
        assert "depth=0 seed=0  1/10" in last_frame(shown, text)


def test_other_work_than_runs_shows_its_count(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, text = terminal(monkeypatch, total=2, width=40)
    with shown.counting("figures drawn", 20) as count:
        count(5)
        monkeypatch.setattr("stackcli.experiment.progress.time.monotonic", lambda: shown.began + 10)
        assert last_frame(shown, text)[0].endswith(" 5/20 figures drawn, 30 s left")
        assert shown.state()["count"] == ("figures drawn", 5, 20)
    assert shown.count is None and shown.state()["count"] is None


def test_a_pipe_gets_a_line_only_where_nothing_was_said_for_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, text = progress(total=3)
    shown.spoken, clock = shown.began, [shown.began]
    monkeypatch.setattr("stackcli.experiment.progress.time.monotonic", lambda: clock[0])
    shown.show(Outcome(1, "progress", (48, 60, 1.5, 1.25, 0.4)), None)
    for second in range(1, 101):
        clock[0] = shown.began + second
        if second == 50:
            shown.show(Outcome(0, "failed", "ValueError: no"), None)
        shown.break_silence()
    assert text.getvalue().splitlines() == [
        "0/3 runs, 82 s left; depth=1 seed=0 48/60",  # 30 s for 4/15 of the work, 82.5 s for the rest
        "1/3 runs, 1 failed, 53 s left; depth=1 seed=0 48/60",  # 80 s for 9/15 of the work, 53.3 s for the rest
    ]


def test_quiet_is_silent_for_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, text = progress(quiet=True)
    with shown:
        monkeypatch.setattr("stackcli.experiment.progress.time.monotonic", lambda: shown.began + 1000)
        shown.break_silence()
    assert text.getvalue() == ""


def test_a_dumb_terminal_and_continuous_integration_get_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal(monkeypatch, total=1)[0].shown
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal(monkeypatch, total=1)[0].shown
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr("stackcli.experiment.progress.Console", lambda **_: Console(force_terminal=True))
    assert not Progress(quiet=False, total=1).shown
