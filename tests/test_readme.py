"""Every command of the README runs, and every command is in the README."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from tests.helpers import stackattn

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.strip().splitlines()]
SMALL = ["steps=3", "seeds=1", "dim=8", "heads=2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place in which one run has been done, for the commands that look at runs."""
    place = tmp_path_factory.mktemp("readme")
    assert stackattn("train", *SMALL[:1], *SMALL[2:], cwd=place).returncode == 0
    return place


# words of commands with many runs, stacks or points
SLOW = ("--remedies", "--search", "stackattn probe", "pe=learned,sinusoidal,relative", "stackattn cost")


@pytest.mark.parametrize(
    "line", [pytest.param(x, marks=pytest.mark.slow if any(w in x for w in SLOW) else ()) for x in LINES]
)
def test_every_command_of_the_readme_runs(line: str, folder: Path) -> None:
    words = shlex.split(line)
    assert words[0] == "stackattn"
    trains = words[1] in ("train", "sweep", "ablate-depth", "compare-pe", "probe") and "--experiment" not in words
    small = [w for w in SMALL if trains and not (words[1] == "train" and w.startswith("seeds"))]
    small += ["probes=false"] if words[1] in ("sweep", "ablate-depth", "compare-pe") and small else []
    small += ["depth=1,2"] if line == "stackattn ablate-depth" else []  # test_ablate_depth.py checks its own depths
    replayed = ["--dry-run"] if "--experiment" in words else []
    drawn = ["--figures", "none"] if small else []  # the tests of figures draw them
    done = stackattn(*words[1:], *small, *replayed, *drawn, cwd=folder, figures=True)
    assert done.returncode == 0, done.stderr


def test_every_command_is_in_the_readme() -> None:
    import typer

    from stackcli.cli import app

    import_module("stackcli.cli.main")  # which registers the commands
    names = set(typer.main.get_command(app.app).commands)  # type: ignore[attr-defined]
    assert {name for name in names if f"stackattn {name}" not in README} == set()


def test_what_plot_list_prints_is_what_the_readme_shows(folder: Path) -> None:
    assert stackattn("plot", "--list", cwd=folder).stdout.strip() in README


def test_pictures_and_studies_of_the_readme_are_there() -> None:
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file(), path
    for name in (p.name for p in (ROOT / "experiments").iterdir()):
        assert f"`{name}`" in README
        assert {"settings.txt", "README.md", "results.csv"} <= {p.name for p in (ROOT / "experiments" / name).iterdir()}


def test_the_table_of_the_readme_is_the_recorded_one() -> None:
    import csv

    with (ROOT / "experiments" / "subjects-depth" / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["depth"]:
            line = next(x for x in README.splitlines() if x.strip().startswith(f"{float(row['depth']):g} "))
            assert f"{float(row['test_acc']):.3f}±" in line
