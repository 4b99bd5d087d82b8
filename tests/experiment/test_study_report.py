"""The report of a study as one file."""

import subprocess
import sys
from pathlib import Path

import pytest

from stackcli.experiment import study_report
from stackcli.figures import base
from tests.experiment.examples import Said
from tests.experiment.page_examples import explanation, hostile_study, keep_explanation

MAKE = "from pathlib import Path; from stackcli.experiment.study_report import make_report; import sys; "
MAKE += "sys.stdout.buffer.write(make_report(Path(sys.argv[1]), [''], 'html')[1].encode())"


def test_the_same_study_gives_the_same_bytes_in_another_process_and_place(tmp_path: Path) -> None:
    for place in ("a", "b/c"):
        store = hostile_study(tmp_path / place)
        keep_explanation(store, "hostile00", "1", explanation("a", "b"))
    _, here = study_report.make_report(tmp_path / "a", ["hostile"], "html")
    command = [sys.executable, "-c", MAKE, "b/c"]
    env = {"PYTHONHASHSEED": "7", "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path)), "TZ": "Asia/Tokyo"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=True)
    assert done.stdout == here.encode() and len(here) > 20_000


@pytest.mark.parametrize("kind", ["html", "md", "latex"])
def test_a_study_that_searched_has_a_report(kind: str, searched: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ("accuracy", "importance", "overview")  # drawing all figures takes seconds
    monkeypatch.setattr(base, "figure_names", lambda: few)
    names = sorted(path.name for path in searched.folder.glob("outputs/studies/*"))
    assert len(names) == 2 and names[1].endswith("-search")
    found, text = study_report.make_report(searched.folder / "outputs", names, kind)
    assert found == names and all(name.split("-")[0] in text for name in names)


def test_a_study_that_is_named_twice_is_shown_once(tmp_path: Path) -> None:
    hostile_study(tmp_path / "out")
    assert study_report.make_report(tmp_path / "out", ["hostile", "hostile"], "md")[0] == ["hostile"]


def test_reports_of_several_studies_have_a_place_of_their_own() -> None:
    path = study_report.default_path
    assert path(Path("o"), ["a"], "latex") == Path("o/studies/a/report.tex")
    assert path(Path("o"), ["a", "b"], "html") == Path("o/reports/a+b.html")
    assert len(path(Path("o"), ["a" * 100, "b" * 100, "c"], "html").name) < 255
