"""The command report."""

import shutil
import webbrowser
from pathlib import Path

import pytest

from stackcli.figures import base
from tests.helpers import stackattn


@pytest.fixture
def folder(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained run that may be written to, whose pages have three figures: drawing all takes seconds."""
    monkeypatch.setattr(base, "figure_names", lambda: ("accuracy", "loss", "update"))
    shutil.copytree(trained / "outputs", tmp_path / "outputs")
    return tmp_path


def test_report_writes_a_page_into_the_folder_of_the_newest_study(folder: Path) -> None:
    done = stackattn("report", cwd=folder)
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "outputs").glob("studies/*/report.html")
    assert done.stdout == f"{path.relative_to(folder)}\n"
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "majority class" in page and str(folder) not in page
    again = stackattn("report", path.parent.name, "--to", "mine/x.html", cwd=folder)
    assert again.returncode == 0 and (folder / "mine" / "x.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(("kind", "ending", "sign"), [("md", "md", "### Points"), ("latex", "tex", r"\toprule")])
def test_a_report_for_a_paper(kind: str, ending: str, sign: str, folder: Path) -> None:
    done = stackattn("report", "--format", kind, cwd=folder)
    (path,) = (folder / "outputs").glob(f"studies/*/report.{ending}")
    text = path.read_text(encoding="utf-8")
    assert done.returncode == 0 and sign in text
    assert stackattn("report", "--format", kind, "--to", "-", cwd=folder).stdout == text


def test_open_shows_the_page_in_the_browser(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    assert stackattn("report", "--open", "--to", "a b.html", cwd=folder).returncode == 0
    assert shown == [(folder / "a b.html").as_uri()]
    wrong = stackattn("report", "--open", "--format", "md", cwd=folder)
    assert wrong.returncode == 2 and "--open opens a page" in wrong.stderr and len(shown) == 1


def test_what_is_wrong_is_said_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    unknown = stackattn("report", "nonsense", cwd=folder)
    assert unknown.returncode == 2 and "nonsense: no such study in outputs; there are train" in unknown.stderr
    typo = stackattn("report", "--format", "latx", cwd=folder)
    assert typo.returncode == 2 and "did you mean latex?" in typo.stderr
    place = stackattn("report", "--to", "outputs", cwd=folder)
    assert place.returncode == 2 and "outputs: a folder; write --to outputs/report.html" in place.stderr
    (tmp_path / "empty").mkdir()
    assert "no store" in stackattn("report", cwd=tmp_path / "empty").stderr
    assert not list(folder.glob("outputs/studies/*/report.*"))
