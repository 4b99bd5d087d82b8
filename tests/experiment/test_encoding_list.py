"""`stackattn list pe`: every encoding with its parameters, what it needs, and why it cannot be used."""

import io
from typing import Any

import pytest
from rich.console import Console

from stackcli.common import registry
from stackcli.config.settings import Config
from stackcli.diagnostics.encoding_checks import input_length
from stackcli.experiment import encoding_list
from stackcli.experiment.encoding_list import Entry
from tests.factory import config


def entries(c: Config) -> dict[str, Entry]:
    return {entry.name: entry for entry in encoding_list.encoding_entries(c)}


def test_parameters_are_those_of_the_whole_stack() -> None:
    c = config(depth=3, dim=32, heads=4)
    found = entries(c)
    assert list(found) == list(registry.part_names("pe"))
    assert found["learned"].parameters == input_length(c) * 32  # one table, shared by all blocks
    assert found["relative"].parameters == 3 * 2 * 33 * 8  # each block: keys and values, offsets -16 to 16, head dim 8
    assert found["rope"].parameters == 0 and found["rope"].needs == ""
    assert found["structural"].needs == "a tree, explicit kernel"


def test_an_encoding_that_refuses_the_sizes_says_why() -> None:
    found = entries(config(dim=9, heads=3))["sinusoidal"]
    assert found.parameters is None and "even dim" in found.needs and found.error == ""


def test_an_encoding_whose_code_fails_is_listed_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real = registry.load_part

    def load(group: str, name: str) -> Any:
        if name == "alibi":
            raise registry.PartError("pe=alibi: broken on purpose")
        return real(group, name)

    monkeypatch.setattr(registry, "load_part", load)
    found = entries(config())
    assert found["alibi"].error == "pe=alibi: broken on purpose" and found["alibi"].parameters is None
    assert "cannot be used" in found["alibi"].line and found["rope"].error == ""


def test_the_table_fits_80_columns_and_says_at_which_size_it_counts() -> None:
    rows = [
        Entry("learned", "A table of positions, " + "a long line " * 8, 4_096, "refused", ""),
        Entry("sinusoidal", "No table", None, "-", "an even dim, not dim=9 heads=3"),
    ]
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(encoding_list.encoding_table(rows, config(depth=3, dim=32, heads=4)))
    lines = [line.strip() for line in console.export_text().splitlines()]
    assert max(map(len, lines)) <= 80 and "parameters at depth=3 dim=32 heads=4" in " ".join(lines)
    assert next(line for line in lines if line.startswith("learned")).split()[-2:] == ["4,096", "refused"]
    assert next(line for line in lines if line.startswith("sinusoidal")).split()[3:5] == ["-", "-"]
