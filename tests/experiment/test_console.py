"""Tables on a console of any encoding."""

import io
import sys
from types import ModuleType

import pytest
from rich import box
from rich.table import Table

from stackcli.experiment.console import Console


def printed(encoding: str) -> list[str]:
    """The lines of a table with a cell that ASCII lacks above one that it has."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("accuracy")
    table.add_column("n")
    for cell in ("0.80±.05 → é", "0.9"):
        table.add_row(cell, "7")
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    Console(file=file, width=60).print(table)
    file.flush()
    return file.buffer.getvalue().decode(encoding).splitlines()


def test_columns_stay_in_line_in_ascii() -> None:
    lines = printed("ascii")
    assert any("0.80+-.05 -> \\xe9" in line for line in lines)
    assert len({line.index("7") for line in lines if "7" in line}) == 1
    assert any("0.80±.05 → é" in line for line in printed("utf-8"))


def test_a_notebook_gets_plain_lines_on_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:  # as that of ipykernel
            return True

    assert Console(file=Stream()).is_terminal
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    console = Console(file=Stream())
    assert not console.is_terminal and not console.is_jupyter
