"""The lines of a run that goes on, and of one that failed."""

import pytest

from stackcli.experiment import run_lines

HOSTILE = "data.path='\x1b[2J\x07\nx'"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_a_run_is_said_whole_on_as_few_lines_as_fit(width: int) -> None:
    lines = run_lines.run_lines("depth=4 seed=1", "3/10", (3, 10, 1.5, 1.25, 0.4), width)
    words = " ".join(lines).split()
    assert words[:3] == ["depth=4", "seed=1", "3/10"] and [words[i] for i in (3, 5, 7)] == ["train", "val", "acc"]
    assert [float(words[i]) for i in (4, 6, 8)] == [1.5, 1.25, 0.4]
    assert len(lines) == {20: 3, 40: 2}.get(width, 1)
    if width >= 40:
        assert max(map(len, lines)) <= width


def test_what_a_worker_does_is_said_where_it_does_not_train() -> None:
    assert run_lines.describe_step("loading", ()) == "loading"
    assert run_lines.describe_step("training", (3, 10, 0.5)) == "3/10"
    assert run_lines.describe_step("evaluating", (10, 10, 0.5)) == "10/10 evaluating"
    assert run_lines.run_lines("a", "loading", (), 80) == ["a  loading"]


def test_names_and_reasons_cannot_steer_a_terminal() -> None:
    said = [*run_lines.run_lines(HOSTILE, "3/10", (), 80), run_lines.failure_line(HOSTILE, "\x1b]0;x\x07")]
    said.append(run_lines.describe_running([{"label": HOSTILE, "stage": "loading", "told": ()}]))
    assert all(line.isprintable() for line in said) and "\\x1b[2J" in said[0]


def test_a_plain_line_names_three_runs_and_counts_the_others() -> None:
    runs = [{"label": f"depth={i}", "stage": "training", "told": (i, 10)} for i in range(5)]
    assert run_lines.describe_running(runs) == "depth=0 0/10, depth=1 1/10, depth=2 2/10, 2 more"


def test_a_count_says_what_failed_and_what_is_left() -> None:
    assert run_lines.describe_count(3, 15, "runs", 1, 240.0) == "3/15 runs, 1 failed, 4 min left"
    assert run_lines.describe_count(0, 1, "runs", 0, None) == "0/1 run"
