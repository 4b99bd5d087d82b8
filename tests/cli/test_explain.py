"""The command explain."""

import json
import shutil
from pathlib import Path

import pytest

from stackcli.common import registry
from tests.helpers import stackattn


@pytest.fixture(scope="module")
def run(trained: Path) -> str:
    (stored,) = (trained / "outputs" / "runs").iterdir()
    return stored.name


def test_every_method_has_a_number_for_each_token(run: str, trained: Path) -> None:
    done = stackattn("explain", run[:6], "--text", "about cats", "--index", "1", "--json", cwd=trained)
    first, second = map(json.loads, done.stdout.splitlines())
    assert set(first["methods"]) == set(registry.part_names("explain")) and first["tokens"] == ["about", "cats"]
    assert all(len(s["tokens"]) == 2 for s in first["methods"].values()) and len(second["tokens"]) == 5
    assert first["explained"] == max(first["probability"], key=first["probability"].get)


def test_the_word_that_decides_speaks_for_its_class(run: str, trained: Path) -> None:
    done = stackattn(
        "explain", run, "--text", "about cats", "--method", "occlusion,cp_lrp", "--figures", "none", cwd=trained
    )
    assert (
        done.returncode == 0
        and "'cats' " in done.stdout
        and " for cat " in done.stdout
        and done.stdout.count("(cp_lrp)") == 1
    )
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_attention_maps_are_drawn(run: str, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "outputs", tmp_path / "outputs")
    done = stackattn("explain", run, "--text", "about cats", "--method", "attention", cwd=tmp_path, figures=True)
    assert done.returncode == 0 and "wrote 2 files to " in done.stdout
    first = Path("outputs") / "explanations" / run / "attention-1.png"
    assert f"open {first} first" in done.stdout and (tmp_path / first).with_suffix(".svg").is_file()
    assert (tmp_path / "outputs" / "explanations" / run / "attention-1.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give --text, --index or --file"),
        (("--file", "nowhere.csv"), "nowhere.csv"),
        (("--text", "cats", "--column", "q"), "write --file FILE as well"),
        (("--text", "cats", "--html", "."), "a folder"),
        (("--text", "cats", "integrated.stepps=4"), "did you mean steps?"),
        (("--text", ""), "blank text"),
        (("--text", "cats", "--method", "shap"), "explain=shap: no such choice"),
        (("--text", "cats", "--target", "cow"), "--target cow: this run has the classes cat, dog"),
        (("--text", "cats", "--figures", "gif"), "gif"),
        (("--index", "9999"), "--index 9999: the test part has items 0 to"),
    ],
)
def test_bad_input_is_answered_in_a_message(words: tuple[str, ...], message: str, run: str, trained: Path) -> None:
    done = stackattn("explain", run, *words, cwd=trained)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_keys_sanity_and_a_file_are_taken_and_what_is_kept_can_be_read(run: str, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "outputs", tmp_path / "outputs")
    (tmp_path / "x.csv").write_text("question\nabout cats\nabout dogs\n")
    words = ("--file", "x.csv", "--column", "question", "--method", "integrated", "integrated.baseline=mean")
    done = stackattn(
        "explain", run, *words, "--sanity", "--save", "--html", "e.html", "--figures", "none", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "e.html").read_text(encoding="utf-8")
    assert "wrote e.html" in done.stdout and page.count("<article") == 2 and "Fresh weights" in page
    assert done.stdout.count("integrated: from the baseline mean") == 2 and "fresh from the top to" in done.stdout
    kept = [json.loads(p.read_text()) for p in (tmp_path / "outputs" / "explanations" / run).glob("*.json")]
    assert {row["text"] for row in kept} == {"about cats", "about dogs"}
