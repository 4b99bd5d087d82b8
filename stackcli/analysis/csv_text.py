"""Writes tables as CSV: whole numbers as integers, no formulas, and millions of rows in parts."""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pandas as pd

from stackcli.common.records import LayerRow, Result, StackRow, StepRow
from stackcli.common.spreadsheet import escape_formula
from stackcli.config.settings import Config

ROWS = 100_000  # of a part


def decimal_columns() -> frozenset[str]:
    """Returns the settings and measured numbers whose type is decimal, whatever their value."""
    hints = [item for kind in (Config, Result, StepRow, LayerRow, StackRow) for item in get_type_hints(kind).items()]
    derived = ["mean", "low", "high", "d_z", "p", "p_holm", "value", "threshold", "loss", "acc", "excess"]
    derived += ["shuffled", "reversed", "shifted", "step_ratio"]
    return frozenset([*derived, *(name for name, hint in hints if hint is float or float in get_args(hint))])


DECIMAL = decimal_columns()


def restore_whole_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the table with whole numbers as integers. pandas turns a column with a missing value into decimals, and
    depth=1 would be written as 1.0."""
    return table.assign(**{name: table[name].astype("Int64") for name in _whole_columns(table)})


def _whole_columns(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table if _is_whole(name, table[name])]


def _is_whole(name: Any, column: pd.Series) -> bool:
    if not pd.api.types.is_float_dtype(column) or re.sub("_(low|high|half)$", "", str(name)) in DECIMAL:
        return False
    values = column.dropna()
    return len(values) > 0 and bool(((values % 1 == 0) & (values.abs() < 2**53)).all())


def to_csv(table: pd.DataFrame) -> str:
    """Returns the table as CSV; missing values are empty. Text that a spreadsheet would take for a formula gets an
    apostrophe."""
    return "".join(csv_parts(table))


def csv_parts(table: pd.DataFrame) -> Iterator[str]:
    """Yields the text of `to_csv` in parts of `ROWS` rows, as a million rows at once take more than a gigabyte."""
    whole = _whole_columns(table)
    for first in range(0, max(1, len(table)), ROWS):
        part = table.iloc[first : first + ROWS]
        part = part.assign(**{name: part[name].astype("Int64") for name in whole})
        yield str(part.assign(**_escape_formulas(part)).to_csv(index=False, header=not first))


def _escape_formulas(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Returns the columns that `escape_formula` changes, and those of any objects."""
    out = {}
    for name, column in table.items():
        if column.dtype == object:
            out[str(name)] = pd.Series([*map(escape_formula, column)], index=column.index, dtype=object)
        elif pd.api.types.is_string_dtype(column):
            changed = {text: new for text in column.dropna().unique() if (new := escape_formula(text)) != text}
            if changed:
                out[str(name)] = column.replace(changed)
    return out
