"""The command predict."""

import json
from pathlib import Path

import pytest

from tests.helpers import stackattn


@pytest.fixture
def run(trained: Path) -> str:
    (stored,) = (trained / "outputs" / "runs").iterdir()
    return stored.name


def test_the_beginning_of_an_id_is_enough_and_the_shares_sum_to_one(run: str, trained: Path) -> None:
    answer = json.loads(stackattn("predict", run[:6], "about cats", "--json", cwd=trained).stdout)
    assert set(answer["probability"]) == {"cat", "dog"} and abs(sum(answer["probability"].values()) - 1) < 1e-6


def test_each_text_has_a_line_likeliest_class_first(run: str, trained: Path) -> None:
    lines = stackattn("predict", run, "about cats", "about dogs", cwd=trained).stdout.splitlines()
    words = [line.split() for line in lines]
    assert len(words) == 2 and all(float(w[1]) >= float(w[3]) and {w[0], w[2]} == {"cat", "dog"} for w in words)


def test_a_run_that_is_not_there_is_answered_in_a_message(trained: Path) -> None:
    done = stackattn("predict", "zzz", "text", cwd=trained)
    assert done.returncode == 2 and "zzz" in done.stderr and "Traceback" not in done.stderr
