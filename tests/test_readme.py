"""The README and docs/: their commands, links, figures and tables."""

import csv
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from stackcli.api import commands as commands_as_functions
from stackcli.cli.app import app
from stackcli.common import registry
from stackcli.config.attack_settings import parse_attacks
from stackcli.config.method_settings import method_settings
from tests.helpers import load_workers, stackattn, write_data

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("docs/*.md"))}
TEXTS = {"README.md": README, **PAGES}
STUDIES = sorted(path.name for path in (ROOT / "experiments").iterdir())
LINES = re.findall(r"^\$ (stackattn .*)$", README, re.MULTILINE)
SMALL = {"steps": "3", "seeds": "1", "dim": "8", "heads": "2"}
TRAINS = ("train", "sweep", "ablate-depth", "compare-pe", "probe")
RUN = "RUN"  # in the README: the id of a run
MAIN_FUNCTIONS = (  # of the commands that take settings; each returns the exit code
    "tuning.run_tuning",
    "search.run_search",
    "remedy_trials.run_remedies",
    "initial_probe.run_probe",
    "cost_measurement.run_cost",
    "encoding_report.show_report",
)


def commands() -> dict[str, Any]:
    """The commands of the tool by name."""
    import_module("stackcli.cli.main")  # which registers them
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


COMMAND = re.compile(r"^(?:    |\$ )(stackattn [a-z].*)$", re.MULTILINE)
SHOWN = [(page, line) for page, text in TEXTS.items() for line in COMMAND.findall(text)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place in which one run has been done, for the commands that look at runs."""
    place = tmp_path_factory.mktemp("readme")
    small = [f"{key}={value}" for key, value in SMALL.items() if key != "seeds"]
    assert stackattn("train", *small, cwd=place).returncode == 0
    return place


@pytest.fixture(scope="module")
def run(folder: Path) -> str:
    """The id of that run."""
    return next((folder / "outputs" / "runs").iterdir()).name


# words of commands with many runs, stacks or points
SLOW = (
    "--remedies",
    "--search",
    *(f"stackattn {name}" for name in ("probe", "cost", "check", "explain", "surrogate", "attack", "report", "plot")),
    "sweep depth=1,2,4,8,16",
    "ablate-depth depth=1,16",
    "seeds=7",
)  # that they are accepted is proved below; tests/cli/ has a file for each command


@pytest.mark.parametrize(
    "line", [pytest.param(x, marks=pytest.mark.slow if any(w in x for w in SLOW) else ()) for x in LINES]
)
def test_every_command_of_the_readme_runs(line: str, folder: Path, run: str) -> None:
    name, *words = shlex.split(line)[1:]
    words = [run if word == RUN else word for word in words]
    if name in TRAINS and "--experiment" not in words:
        small = {key: value for key, value in SMALL.items() if (name, key) != ("train", "seeds")}
        small |= {"probes": "false"} if name not in ("train", "probe") else {}
        words = [word for word in words if word.partition("=")[0] not in (*small, "epochs")]
        words += [f"{key}={value}" for key, value in small.items()]
        words += ["--figures", "none"]  # the tests of figures draw them
    words += ["--dry-run"] if "--experiment" in words and "--dry-run" not in words else []
    done = stackattn(name, *words, cwd=folder, figures=True)
    assert done.returncode == 0, done.stderr


def test_every_command_is_in_the_readme() -> None:
    assert {name for name in commands() if f"stackattn {name}" not in README} == set()


@pytest.mark.parametrize(("page", "line"), SHOWN)
def test_every_command_of_the_pages_is_accepted(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options and settings are read as usual; what would train, measure or read a run is left out."""
    name, *words = shlex.split(line, comments=True)[1:]
    typed = commands()[name].make_context(name, list(words)).params
    if name == "explain":
        methods = typed["method"].split(",") if typed["method"] else registry.part_names("explain")
        method_settings(methods, typed["keys"] or ())
    if name == "attack":
        parse_attacks(typed["words"] or ())
    if name not in (*TRAINS, "check", "cost", "list"):
        return
    for place in MAIN_FUNCTIONS:
        monkeypatch.setattr(f"stackcli.experiment.{place}", lambda *_, **__: 0)
    done = stackattn(name, *words, cwd=tmp_path, figures=True)
    assert done.returncode == 0, f"{page}: {done.stderr}"


def test_the_python_of_the_pages_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks in their order, as a reader would type them, with small settings where a block gives none; only
    the first sweep is trained."""
    plain, path = commands_as_functions._run, write_data(tmp_path / "t.csv")
    tiny = {"steps": 2, "dim": 8, "heads": 2, "probes": False, "data": "csv", "data.path": path}

    def run(command: str, words: Any, settings: Any, options: Any) -> Any:
        small = {**tiny, **settings, **({"seeds": 1} if "seeds" in settings else {})}
        again = (tmp_path / "outputs").exists()
        return plain(command, words, small, {**options, "dry_run": again})

    load_workers()
    monkeypatch.setattr(commands_as_functions, "_run", run)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "example"}
    blocks = re.findall(r"```python\n(.*?)```", README + PAGES["docs/python.md"], re.DOTALL)
    for code in blocks:
        exec(code, names)
    assert len(blocks) == 8 and (tmp_path / "accuracy.pdf").is_file() and (tmp_path / "accuracy.png").is_file()


def test_the_list_of_figures_is_what_plot_list_prints(tmp_path: Path) -> None:
    assert f"```\n{stackattn('plot', '--list', cwd=tmp_path).stdout.strip()}\n```" in PAGES["docs/files.md"]


def anchors(text: str) -> set[str]:
    """The names by which GitHub links to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_and_picture_exists(page: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", TEXTS[page]):
        if link.startswith("https://"):
            continue
        path, _, heading = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), link
        assert not heading or heading in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_linked_from_the_readme(page: str) -> None:
    assert f"]({page})" in README


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_is_complete_and_in_the_gallery(study: str) -> None:
    folder = ROOT / "experiments" / study
    assert {"settings.txt", "README.md", "results.csv"} <= {path.name for path in folder.iterdir()}
    assert f"](docs/gallery.md#{study})" in README
    section = PAGES["docs/gallery.md"].partition(f"\n## {study}\n")[2].partition("\n## ")[0]
    assert f"--experiment {study}" in section
    shown = re.search(rf"!\[[^]]*\]\(\.\./experiments/{study}/", section)
    assert bool(shown) == any(path.suffix == ".png" for path in folder.iterdir())


def test_the_table_of_the_readme_is_the_recorded_one() -> None:
    table = README.partition("$ stackattn sweep depth=1,2,4,8,16\n")[2].partition("```")[0]
    with (ROOT / "experiments" / "subjects-depth" / "results.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["depth"]]
    for row in rows:
        line = next(x for x in table.splitlines() if x.strip().startswith(f"{float(row['depth']):g} "))
        assert f"{float(row['test_acc']):.3f}±" in line
