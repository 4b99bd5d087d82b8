"""The tables of a study in full precision, as CSV, JSON or Parquet: the command `export`. Never loads PyTorch."""

import importlib.util
import io
import json
from pathlib import Path
from typing import Any

from stackcli.analysis import tables
from stackcli.common.atomic_files import write_file
from stackcli.common.records import dumps, parse_number
from stackcli.common.wording import format_setting
from stackcli.experiment.load import load_study
from stackcli.experiment.store import Store

TABLES = ("runs", "curve", "layers", "stack")
FORMATS = ("csv", "json", "parquet")


def choose_format(to: str, given: str) -> str:
    """Returns the format of a file by its suffix, or the one given; CSV on stdout where none is. Raises ValueError for
    an unknown suffix, for two that differ, and for Parquet on stdout or without pyarrow."""
    suffix = Path(to).suffix.lower().removeprefix(".") if to not in ("", "-") else ""
    if given and given not in FORMATS:
        raise ValueError(f"--format {given}: choose csv, json or parquet")
    if to not in ("", "-") and not given and suffix not in FORMATS:
        raise ValueError(f"--to {to}: the name must end with .csv, .json or .parquet; or write --format")
    if given and suffix in FORMATS and suffix != given:
        raise ValueError(f"--to {to} and --format {given} differ; leave one out")
    chosen = given or suffix or "csv"
    if chosen == "parquet" and to in ("", "-"):
        raise ValueError("parquet is not text for a terminal; write --to FILE.parquet")
    if chosen == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ValueError("parquet needs pyarrow, which is not installed: pip install 'stackattn[parquet]'")
    return chosen


def study_table(store: Store, study: str, table: str) -> Any:
    """Returns a table of a study as a DataFrame: `runs` (a row for each run), `curve`, `layers` or `stack`. Columns are
    named as in runs.csv."""
    frame = getattr(load_study(store, study), table)
    return frame.drop(columns="test_right", errors="ignore")


def to_text(frame: Any, form: str) -> str:
    """Returns a table as CSV or JSON. Lists are JSON in both. A missing number is an empty cell, in JSON null; an
    infinite one is `inf`, in JSON the text "Infinity"."""
    lists = [c for c in frame if frame[c].map(lambda v: isinstance(v, list | tuple)).any()]
    if form == "csv":
        return tables.to_csv(frame.assign(**{c: frame[c].map(_list_text) for c in lists}))
    columns, rows = [str(c) for c in frame], tables.restore_whole_numbers(frame).itertuples(index=False, name=None)
    plain = [{c: _plain(v) for c, v in zip(columns, row, strict=True)} for row in rows]
    return "[\n" + ",\n".join(map(dumps, plain)) + "\n]\n"


def _list_text(value: Any) -> Any:
    return dumps(value) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    """A cell as JSON can hold it."""
    import pandas as pd

    if isinstance(value, list | tuple | dict | str):
        return value
    if value is None or pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def to_parquet(frame: Any) -> bytes:
    """Returns a table as Parquet. A column that mixes numbers and texts becomes text."""
    import pandas as pd

    frame = tables.restore_whole_numbers(frame)
    for column in frame:
        if frame[column].dtype != object:
            continue
        values = [None if not isinstance(v, list | tuple | dict | str) and pd.isna(v) else v for v in frame[column]]
        kinds = {type(v) for v in values if v is not None}
        if len(kinds) > 1 and not kinds <= {list, tuple}:
            values = [None if v is None else format_setting(v) for v in values]
        elif kinds & {list, tuple}:
            values = [None if v is None else _floats(v) for v in values]
        elif kinds & {dict}:
            values = [None if v is None else json.dumps(v) for v in values]
        frame[column] = pd.Series(values, index=frame.index, dtype=object)
    out = io.BytesIO()
    frame.to_parquet(out, index=False, engine="pyarrow")
    return out.getvalue()


def _floats(value: Any) -> Any:
    """A list whose numbers are all decimals or all whole, as a column of Parquet has one kind."""
    if isinstance(value, list | tuple):
        return [_floats(item) for item in value]
    number = parse_number(value)
    return float(number) if isinstance(number, int) and not isinstance(number, bool) else number


def write_table(frame: Any, path: Path, form: str) -> None:
    """Writes a table to a file. Raises OSError."""
    write_file(path, to_parquet(frame) if form == "parquet" else to_text(frame, form))
