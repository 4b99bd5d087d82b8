"""The command attack."""

import json
import shutil
from pathlib import Path

import pytest

from tests.helpers import stackattn


@pytest.fixture(scope="module")
def run(trained: Path) -> str:
    (stored,) = (trained / "outputs" / "runs").iterdir()
    return stored.name


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained / "outputs", tmp_path / "outputs")
    return tmp_path


def test_tables_remarks_texts_and_a_figure_are_shown(run: str, copied: Path) -> None:
    done = stackattn(
        "attack",
        run[:6],
        "attack=substitution,typo,fgm",
        "attack.budget=1",
        "substitution.choices=500",
        cwd=copied,
        figures=True,
    )
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    for part in (
        "answered rightly and attacked",
        "Changes of vectors and positions",
        "A stack built afresh gives",
    ):
        assert part in text, part
    assert "Texts that flipped" in text and "[cats]" in text
    assert max(len(line) for line in done.stdout.splitlines() if "wrote" not in line) <= 80
    folder = copied / "outputs" / "attacks" / run
    assert {"attacks.json", "substitution-1.jsonl", "fgm-1.npz", "robustness.png"} <= {p.name for p in folder.iterdir()}


def test_the_page_of_the_study_shows_the_attacks(run: str, copied: Path) -> None:
    words = ("attack=substitution", "attack.budget=1", "attack.choices=500")
    assert stackattn("attack", run, *words, "--figures", "none", cwd=copied).returncode == 0
    assert stackattn("report", "--to", "page.html", cwd=copied).returncode == 0
    page = (copied / "page.html").read_text()
    assert "Attacks</h2>" in page and "<mark><bdi>" in page and "<code>" + run in page
    assert "flips the most" in page


def test_json_holds_every_number_and_text(run: str, copied: Path) -> None:
    done = stackattn("attack", run, "attack=typo", "attack.budget=2", "--items", "3", "--json", cwd=copied)
    found = json.loads(done.stdout)
    assert found["run"] == run and found["items"] == 3 and found["rows"][0]["budget"] == 2
    assert len(found["records"]) == found["right"]


def test_a_text_is_attacked_against_the_answer_of_the_run(run: str, copied: Path) -> None:
    words = ("attack=substitution", "attack.budget=1", "attack.choices=500", "attack.tries=5000", "--figures", "none")
    done = stackattn("attack", run, "--text", "about cats", *words, cwd=copied)
    assert "1 text, 1 answered rightly" in " ".join(done.stdout.split()) and "substitution 1, text 1" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("attack=hotflop",), "attack=hotflop: no such choice; did you mean hotflip?"),
        (("attack=typo", "attack.budget=0"), "a budget is a number above 0"),
        (("attack=substitution", "attack.synonyms=nowhere.csv"), "nowhere.csv: cannot be read as a table of synonyms"),
        (("--items", "-1"), "--items"),
        (("--text", " "), "blank"),
        (("--figures", "gif"), "gif"),
        (("--out", "nowhere"), "nowhere"),
    ],
)
def test_bad_input_is_answered_in_a_message(words: tuple[str, ...], message: str, run: str, trained: Path) -> None:
    done = stackattn("attack", run, *words, cwd=trained)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_an_unknown_run_is_refused(trained: Path) -> None:
    done = stackattn("attack", "zzz", cwd=trained)
    assert done.returncode == 2 and "zzz" in done.stderr
