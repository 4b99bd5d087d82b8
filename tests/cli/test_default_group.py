"""A command with subcommands, of which list is meant where none is named."""

from pathlib import Path

import pytest

from tests.experiment.store_examples import filled_store
from tests.helpers import stackattn


@pytest.mark.parametrize("command", ["runs", "studies"])
def test_without_a_subcommand_it_lists(command: str, tmp_path: Path) -> None:
    filled_store(tmp_path)
    for more in ((), ("--json",)):
        assert stackattn(command, *more, cwd=tmp_path).stdout == stackattn(command, "list", *more, cwd=tmp_path).stdout


@pytest.mark.parametrize("command", ["runs", "studies"])
def test_the_help_names_the_subcommands(command: str, tmp_path: Path) -> None:
    done = stackattn(command, "--help", cwd=tmp_path)
    assert done.returncode == 0 and {"list", "show", "rm", "restore"} <= set(done.stdout.split())
    assert stackattn(command, "-h", cwd=tmp_path).stdout == done.stdout
