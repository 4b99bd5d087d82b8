"""The command to type next carries the user's data and settings along, and runs as printed."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stackcli.analysis import findings
from stackcli.analysis.findings import Finding
from stackcli.analysis.remedy_catalogue import Remedy
from stackcli.experiment.next_command import next_command, quote_word
from tests.analysis.examples import depth_study
from tests.experiment.examples import options
from tests.figures.factory import study
from tests.helpers import SMALL, stackattn

TYPED = ("depth=1,2", "data=csv", "data.path=my file.csv", "dim=8")


def next_of(command: str, out: str = "outputs", words: tuple[str, ...] = (), example: str = "", **more: Any) -> str:
    """What follows one run."""
    runs = pd.DataFrame([{"run": "abc", "status": "done", "data": "subjects", "facts": "d", **more}])
    frames = replace(study(), command=command, study="s", runs=runs, facts={"d": {"example": example}}, overrides=words)
    return next_command(frames, options(Path(out)))


def after(command: str, *words: str, seeds: int = 3, found: tuple[Finding, ...] = (), diverged: int = 0) -> str:
    """What follows a study of depth with so many seeds, in which this was found."""
    frames = depth_study(diverged=diverged)
    rows = [frames.runs.assign(seed=frames.runs["seed"] + 3 * k, run=frames.runs["run"] + str(k)) for k in range(5)]
    runs = pd.concat(rows, ignore_index=True)
    frames = replace(frames, command=command, study="s", overrides=words, runs=runs[runs["seed"] < seeds])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(findings, "findings", lambda _: list(found))
        return next_command(frames, options(Path("outputs"), asked=("-j", "2", "--remedies")))


OVERFITS = Finding("overfitting", "depth=16", "", 1.0, 0.3, "", (3, 3), (Remedy(("dropout=0.3",), ""),))


def test_a_run_on_texts_is_asked_about_a_text_of_its_own_test_part() -> None:
    assert next_of("train", example="a cat's tail") == 'stackattn predict abc "a cat\'s tail"'
    assert next_of("train", example="x", keep="none") == "stackattn sweep depth=1,2,4,8,16"
    conllu: dict[str, Any] = {"data": "conllu", "data.path": "a b.conllu", "data.test_path": ""}
    assert next_of("train", **conllu) == 'stackattn predict abc "a b.conllu"'
    assert next_of("train", **{**conllu, "data.test_path": "t.conllu"}) == "stackattn predict abc t.conllu"


def test_without_texts_depth_is_swept_with_the_same_settings() -> None:
    words = ("depth=4", "data=digits", "pe=rope")
    assert next_of("train", words=words) == "stackattn sweep depth=1,2,4,8,16 data=digits pe=rope"
    assert next_of("train", out="my runs", example="x y") == 'stackattn predict abc "x y" --out "my runs"'


def test_after_a_sweep_with_too_few_seeds_come_the_seeds_that_a_claim_needs() -> None:
    # five comparisons of depth and its gap: 2 / 2^n < .05 / 5 from n = 8 on
    own = 'depth=1,2 data=csv "data.path=my file.csv" dim=8'
    assert after("sweep", *TYPED, found=(OVERFITS,)) == f"stackattn sweep seeds=8 {own} -j 2"
    assert after("compare-pe", "seed=0,1,2", "dim=8") == "stackattn compare-pe seeds=8 dim=8 -j 2"


def test_what_helps_is_next_after_ablate_depth_or_enough_seeds_or_where_runs_diverged() -> None:
    assert after("ablate-depth", "dim=8", found=(OVERFITS,)) == "stackattn ablate-depth dim=8 -j 2 --remedies"
    remedy = "stackattn sweep dim=8 depth=16 dropout=0.3"
    assert after("sweep", "dim=8", seeds=15, found=(OVERFITS,)) == remedy
    assert after("sweep", "dim=8", diverged=1, found=(OVERFITS,)) == remedy


def test_after_enough_seeds_comes_the_page() -> None:
    assert after("sweep", *TYPED, seeds=15) == "stackattn report s"
    assert after("compare-pe", *TYPED, seeds=15) == "stackattn report s"
    assert next_of("remedies") == next_of("search") == "stackattn report s"


def test_ablate_depth_is_followed_by_the_encodings_on_the_same_data() -> None:
    said = after("ablate-depth", *TYPED, "pe=rope", "pe.base=100", "match=params", seeds=15)
    kept = 'data=csv "data.path=my file.csv" dim=8'
    assert said == f"stackattn compare-pe pe=learned,sinusoidal,relative {kept}"


@pytest.mark.parametrize("word", ["a b", "it's", "$HOME", 'say "x"', "a\\b", "what?", "", "~x", "#1", "é", "wow!"])
def test_a_quoted_word_is_one_word_to_a_shell(word: str) -> None:
    assert shlex.split(quote_word(word)) == [word]


def write_texts(folder: Path) -> None:
    rows = [f'text {i}; it\'s "{"cats" if i % 2 else "dogs"}", $5\t{"cat" if i % 2 else "dog"}' for i in range(60)]
    (folder / "my (data), 1.tsv").write_text("Question (text)\t0\n" + "\n".join(rows) + "\n", encoding="utf-8")


OWN = ("data=csv", "data.path=my (data), 1.tsv", "data.text=Question (text)", "data.label=0", *SMALL)


@pytest.mark.parametrize(
    "command,words",
    [
        ("train", ("lr=0.01",)),
        # the command after it trains fourteen runs; its words are compared with those typed in the tests above
        pytest.param("sweep", ("depth=1,2", "seeds=1"), marks=pytest.mark.slow),
    ],
)
def test_the_command_printed_runs_as_printed(command: str, words: tuple[str, ...], tmp_path: Path) -> None:
    write_texts(tmp_path)
    first = stackattn(command, *OWN, *words, "--out", "my runs", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    line = next(line for line in first.stderr.splitlines() if line.startswith("next: "))
    tool, *typed = shlex.split(line.removeprefix("next: "))
    assert tool == "stackattn" and typed[0] == ("predict" if command == "train" else "sweep")
    again = stackattn(*typed, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert command == "train" or "2 finished before" in again.stderr
