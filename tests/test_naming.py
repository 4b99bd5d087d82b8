"""One name everywhere: pe=alibi is conf/pe/alibi.yaml, stackcli/pe/alibi.py and tests/pe/test_alibi.py."""

import inspect
from pathlib import Path

import pytest

from stackcli import parts
from stackcli.settings import GROUPS

ROOT = Path(__file__).parents[1]


def stems(folder: str, pattern: str) -> set[str]:
    return {p.stem for p in (ROOT / folder).glob(pattern) if not p.stem.startswith("_")} - {"base"}


@pytest.mark.parametrize("group", GROUPS)
def test_every_part_has_its_file_its_yaml_and_its_test(group: str) -> None:
    code = stems(f"stackcli/{group}", "*.py")
    assert code == stems(f"conf/{group}", "*.yaml")
    assert code == {name.removeprefix("test_") for name in stems(f"tests/{group}", "test_*.py")}


@pytest.mark.parametrize("group", ["figures", "launcher"])
def test_every_figure_and_launcher_has_its_test(group: str) -> None:
    tests = {name.removeprefix("test_") for name in stems(f"tests/{group}", "test_*.py")} - {"base"}
    assert stems(f"stackcli/{group}", "*.py") == tests


@pytest.mark.parametrize("group", GROUPS)
def test_every_part_says_in_one_line_what_it_is(group: str) -> None:
    for name in parts.names(group):
        assert 20 < len(parts.summary(group, name)) <= 120
        assert inspect.getmodule(parts.load(group, name)).__name__ == f"stackcli.{group}.{name}"  # type: ignore[union-attr]
