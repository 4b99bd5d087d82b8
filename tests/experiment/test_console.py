"""Tables on a console of any encoding."""

import io

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
