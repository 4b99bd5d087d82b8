"""Command lines that cannot be read: one sentence that says what to write, and exit code 2."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import environment, stackattn

LINES = {
    "swep depth=1": "swep: no such command; did you mean sweep? See stackattn --help",
    "layers=4": "layers=4: a command comes first; write stackattn sweep layers=4",
    "sweep --layers 4": "--layers: no such option; settings are bare words: write depth=VALUE",
    "sweep --learning-rate 4": "--learning-rate: no such option; settings are bare words: write lr=VALUE",
    "sweep --job 4": "--job: no such option; did you mean --jobs? See stackattn sweep --help",
    "sweep --jobs x": "-j, --jobs: must be a whole number",
    "sweep --top -1": "--top: must be a whole number of at least 0",
    "plot --figure": "--figure needs a value after it; see stackattn plot --help",
    "sweep --json=1": "--json takes no value; see stackattn sweep --help",
    "plot --study x": "--study: no such option; write its value alone, without --study; see stackattn plot --help",
    "predict 3f": "TEXT... is missing; write stackattn predict RUN TEXT...",
    "verify depth=1": "depth=1: not understood here; see stackattn verify --help",
    "runs --depth 4": "--depth: settings are bare words; write depth=4",
    "runs --layers 4": "--layers: no such option; settings are bare words: write depth=VALUE",
    "runs --colls depth": "--colls: no such option; did you mean --cols? See stackattn runs --help",
    "runs show": "ID is missing; write stackattn runs show ID",
    "runs diff a": "ID is missing; write stackattn runs diff ID ID",
    "runs rm --yess": "--yess: no such option; did you mean --yes? See stackattn runs rm --help",
    "studies rename a": "NEW is missing; write stackattn studies rename NAME NEW",
    "studies x": "x: not understood here; see stackattn studies --help",
    "--nope": "--nope: no such option; see stackattn --help",
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_cannot_be_read_is_answered_with_what_to_write(line: str, tmp_path: Path) -> None:
    done = stackattn(*line.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {LINES[line]}\n")


def test_no_word_at_all_shows_the_help(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "stackcli"]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2 and "Commands:" in done.stderr
