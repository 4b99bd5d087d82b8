"""Tables as CSV; what a table of a study looks like in it is tested in test_tables."""

import math

import pandas as pd
import pytest

from stackcli.analysis import csv_text

TABLE = pd.DataFrame(
    {
        "word": ["=1+1", "a\rb", "plain", None, "-", "=1+1", "x"],
        "any": [[1, 2], "@sum", 3, None, (4,), 2.5, "x"],
        "depth": [1.0, 2.0, math.nan, 4.0, 5.0, 6.0, 7.0],
        "lr": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
        "half": [0.5, math.nan, 1.0, 2.0, 3.0, 4.0, 5.0],
    }
)


def test_parts_of_any_size_are_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column is whole or not in all of its parts alike, though a part may hold whole numbers only."""
    found = set()
    for rows in (1, 2, 3, 7, 100):
        monkeypatch.setattr(csv_text, "ROWS", rows)
        assert len(list(csv_text.csv_parts(TABLE))) == -(-len(TABLE) // rows)
        found.add(csv_text.to_csv(TABLE))
    (text,) = found
    lines = text.split("\n")
    assert lines[0] == "word,any,depth,lr,half" and len(lines) == 9
    assert lines[1] == '\'=1+1,"[1, 2]",1,1.0,0.5'
    assert lines[2] == "a b,'@sum,2,2.0,"
    assert lines[3] == "plain,3,,3.0,1.0"
    assert [line.partition(",")[0] for line in lines[4:8]] == ["", "'-", "'=1+1", "x"]


def test_a_table_without_rows_has_its_head() -> None:
    assert csv_text.to_csv(TABLE.iloc[:0]) == "word,any,depth,lr,half\n"
    assert csv_text.to_csv(pd.DataFrame()) == pd.DataFrame().to_csv(index=False)


def test_numbers_are_read_back_to_the_last_bit() -> None:
    table = pd.DataFrame({"loss": [0.1 + 0.2, 1e-300, -1 / 3, math.pi * 1e17]})
    assert [float(line) for line in csv_text.to_csv(table).split()[1:]] == list(table["loss"])
