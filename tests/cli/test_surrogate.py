"""The command surrogate."""

import json
import shutil
from pathlib import Path

import pytest

from tests.helpers import stackattn


@pytest.fixture(scope="module")
def run(trained: Path) -> str:
    (stored,) = (trained / "outputs" / "runs").iterdir()
    return stored.name


def test_the_word_that_decides_is_in_the_rules_and_the_stack_is_measured(run: str, trained: Path) -> None:
    done = stackattn("surrogate", run[:6], "--leaves", "2", "--words", "2", "--json", cwd=trained)
    report = json.loads(done.stdout)
    stored = json.loads((trained / "outputs" / "runs" / run / "result.json").read_text())
    assert report["run"] == run and report["stack"]["accuracy"]["mean"] == pytest.approx(stored["test_acc"])
    assert report["surrogates"]["tree"]["rules"][0]["word"] in ("cats", "dogs")
    assert report["surrogates"]["tree"]["fidelity"]["mean"] == 1.0
    assert {word for word, _ in report["surrogates"]["linear"]["weights"]["cat"]} == {"cats", "dogs"}


def test_rules_weights_and_a_figure_are_shown(run: str, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "outputs", tmp_path / "outputs")
    done = stackattn("surrogate", run, cwd=tmp_path, figures=True)
    assert done.returncode == 0, done.stderr
    assert "if the text has '" in done.stdout and "linear model, " in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if "wrote" not in line) <= 80
    assert (tmp_path / "outputs" / "explanations" / run / "surrogate.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--kind", "forest"), "--kind forest: no such surrogate; choose from tree, linear"),
        (("--leaves", "1"), "--leaves"),
        (("--figures", "gif"), "gif"),
        (("--out", "nowhere"), "nowhere"),
    ],
)
def test_bad_input_is_answered_in_a_message(words: tuple[str, ...], message: str, run: str, trained: Path) -> None:
    done = stackattn("surrogate", run, *words, cwd=trained)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_a_run_with_answers_at_every_token_is_refused(tmp_path: Path) -> None:
    small = ("data=reverse", "causal=true", "data.size=32", "steps=1", "dim=8", "heads=2", "depth=1")
    assert stackattn("train", *small, cwd=tmp_path).returncode == 0
    (stored,) = (tmp_path / "outputs" / "runs").iterdir()
    done = stackattn("surrogate", stored.name, cwd=tmp_path)
    assert done.returncode == 2 and "answers at every token" in done.stderr and "Traceback" not in done.stderr
