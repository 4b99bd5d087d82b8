"""The console script: its commands, their help, and what is imported for them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stackcli.cli import main
from tests.helpers import environment, stackattn

COMMANDS = (
    "train",
    "sweep",
    "ablate-depth",
    "compare-pe",
    "plot",
    "predict",
    "list",
    "runs",
    "studies",
    "export",
    "verify",
    "check",
    "probe",
    "cost",
)


SUBCOMMANDS = [
    *(f"runs {name}" for name in ("list", "show", "diff", "verify", "rm", "restore", "gc")),
    *(f"studies {name}" for name in ("list", "show", "rm", "restore", "rename")),
]


@pytest.mark.parametrize("command", [*COMMANDS, *SUBCOMMANDS])
def test_every_help_ends_with_an_example(command: str, tmp_path: Path) -> None:
    done = stackattn(*command.split(), "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"Example: stackattn {command}" in done.stdout.strip().splitlines()[-1]


def test_the_list_of_commands_cuts_no_word(tmp_path: Path) -> None:
    done = stackattn("--help", cwd=tmp_path, COLUMNS="80")
    listed = done.stdout.partition("Commands:")[2]
    assert all(f"  {command} " in listed for command in COMMANDS) and "..." not in listed


PROGRAM = """
import sys
for line in sys.argv[1:]:
    sys.argv = ["stackattn", *line.split()]
    from stackcli.cli.main import main
    try:
        main()
    except SystemExit as left:
        assert not left.code, line
    print("\\nLOADED", *sys.modules)
"""


def modules(*lines: str, cwd: Path) -> list[set[str]]:
    """The modules loaded after running the tool's main with the words of each line in turn, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *lines], cwd=cwd, env=environment(), capture_output=True, text=True, check=True
    )
    return [set(text.split()[1:]) for text in done.stdout.splitlines() if text.startswith("LOADED ")]


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"torch", "pandas", "numpy", "hydra", "omegaconf", "matplotlib", "sklearn", "pydantic"}
    (loaded,) = modules("--help", cwd=tmp_path)
    assert "stackcli.cli.main" in loaded and loaded & heavy == set()


def test_plot_list_and_runs_never_import_torch(trained: Path, tmp_path: Path) -> None:
    lines = (
        "list",
        "list data",
        "runs",
        "plot --list",
        "verify",
        "studies",
        "export",
        "plot --figure loss --figures pdf",
    )
    shutil.copytree(trained / "outputs", tmp_path / "outputs")
    found = modules(*lines, cwd=tmp_path)
    assert len(found) == len(lines) and {"stackcli.cli.main", "matplotlib"} <= found[-1]
    for line, loaded in zip(lines, found, strict=True):
        assert "torch" not in loaded, line


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    from stackcli import __version__

    assert stackattn("--version", cwd=tmp_path).stdout.strip() == f"stackattn {__version__}"


def test_the_tool_alone_says_what_it_can_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stackcli"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 2 and "Commands:" in done.stdout + done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "typed,texts",
    [
        (["predict", "3f", "why"], ["predict", "--", "3f", "why"]),
        (["predict", "3f", "-5 degrees", "--json"], ["predict", "--json", "--", "3f", "-5 degrees"]),
        (["predict", "3f", "--out", "o", "-x"], ["predict", "--out", "o", "--", "3f", "-x"]),
        (["predict", "3f", "--", "--json"], ["predict", "--", "3f", "--json"]),
        (["predict", "--help"], ["predict", "--help"]),
        (["predict", "3f", "-- two words"], ["predict", "--", "3f", "-- two words"]),
    ],
)
def test_a_text_to_predict_may_begin_like_an_option(typed: list[str], texts: list[str]) -> None:
    assert main.texts_last(typed) == texts


def test_a_setting_written_as_an_option_is_answered_with_what_to_type(tmp_path: Path) -> None:
    for typed in (("--depth", "4"), ("--depth=4",)):
        done = stackattn("sweep", *typed, cwd=tmp_path)
        assert done.returncode == 2 and "settings are bare words; write depth=4" in done.stderr
