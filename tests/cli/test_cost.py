"""The command cost: bad inputs, options, help and completion."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import environment, stackattn

BAD = {
    "seq=0": "seq=0: must be at least 1 token; write lengths as seq=256,512,1024",
    "seq=-1": "seq=-1: must be at least 1 token",
    "seq=abc": "seq=abc: must be a whole number of tokens",
    "seq=": "seq=: must be a whole number of tokens",
    "seq=1e9": "at most 1,000,000 tokens",
    "seq=512,512": "a value is given twice",
    "sqe=512": "did you mean seq?",
    "dpeth=4": "did you mean depth?",
    "seeds=3": "leave seeds out",
    "data=markov": "cost uses random tokens",
    "pe=cope attention=window": "pe=cope needs the scores of all pairs",
    "pe=structural attention=full": "cost uses random tokens; write another pe",
    "--seq 512": "write seq=512",
    "--figures gif": "--figures gif",
    "--study ../x": "--study",
    "--out /dev/null": "a file, not a folder",
    "--csv .": "--csv .: a folder",
    "--config-dir nowhere": "no such folder",
}


@pytest.mark.parametrize("typed", BAD)
def test_a_bad_input_gets_one_message_and_writes_nothing(typed: str, tmp_path: Path) -> None:
    done = stackattn("cost", *typed.split(" "), "--quiet", cwd=tmp_path)
    assert done.returncode == 2 and BAD[typed] in done.stderr, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_table_goes_to_stdout_or_a_file_and_quiet_is_silent(tmp_path: Path) -> None:
    words = ("dim=8", "heads=2", "ff=0", "depth=1", "attention=linear", "seq=8,16", "--figures", "none")
    done = stackattn("cost", *words, "--json", "--quiet", "--study", "mine", "--csv", "t.csv", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    rows = json.loads(done.stdout)
    assert [row["seq"] for row in rows] == [8, 16] and rows[0]["score_bytes"] is None
    assert (tmp_path / "t.csv").read_text() == (tmp_path / "outputs" / "costs" / "mine" / "table.csv").read_text()


def test_quiet_silences_the_progress_and_not_the_answer(tmp_path: Path) -> None:
    words = ("dim=8", "heads=2", "ff=0", "depth=1", "attention=linear", "seq=8,16", "--figures", "none")
    done = stackattn("cost", *words, "--quiet", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "" and "Times are medians" in done.stdout


def test_the_shell_is_offered_seq_for_this_command_only(tmp_path: Path) -> None:
    program = "import sys; sys.argv = ['stackattn']; from stackcli.cli.main import main; main()"
    for command, answer in (("cost", "seq="), ("sweep", "")):
        asked = {"COMP_WORDS": f"stackattn {command} seq", "COMP_CWORD": "2", "_STACKATTN_COMPLETE": "complete_bash"}
        call = [sys.executable, "-c", program]
        found = subprocess.run(call, cwd=tmp_path, env=environment(**asked), capture_output=True, text=True)
        assert found.stdout.strip() == answer
