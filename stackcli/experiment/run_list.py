"""The stored runs as rows, newest first: the command `runs`."""

import csv
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.records import dumps
from stackcli.common.spreadsheet import escape_formula
from stackcli.common.wording import format_setting
from stackcli.experiment.run_filters import is_missing
from stackcli.experiment.run_index import read_rows
from stackcli.experiment.store import Store

Row = Mapping[str, Any]
SHOWN = ("data", "depth", "pe", "residual", "seed")  # settings of a run in no study, or without axes
USUAL = ("run", "point", "test_acc", "status", "finished", "studies")  # columns that are always there
WIDEST = 24  # characters of a study's name in the table


def list_runs(store: Store) -> Iterator[dict[str, Any]]:
    """Yields a row for each run, newest first, as `run_index.read_rows` does, without `test_right`, which has a digit
    for each test item."""
    for row in read_rows(store):
        yield {key: value for key, value in row.items() if key != "test_right"}


def table_lines(rows: Sequence[Row], cols: Sequence[str] = (), also: Sequence[str] = ()) -> Iterator[str]:
    """Yields the rows as lines under a head, for a file or another program. The settings are those that differ in the
    newest study of a run. `cols`: the columns instead; `also`: columns before the settings."""
    if cols:
        yield from _aligned([["run", *cols], *([row["run"], *(format_cell(row.get(c)) for c in cols)] for row in rows)])
        return
    heads = ["run", "study", "age", "status", "acc", *also, "settings"]
    yield from _aligned(
        [heads] + [[*_told(row), *(format_cell(row.get(name)) for name in also), describe_run(row)] for row in rows]
    )


def _told(row: Row) -> list[str]:
    return [row["run"], _newest_study(row), describe_age(row["finished"]), row["status"], _accuracy(row)]


def _aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()


def runs_table(rows: Sequence[Row], cols: Sequence[str] = (), also: Sequence[str] = ()) -> TerminalTable:
    """Returns the rows as a table for a terminal, in which the runs and their settings stay at any width. `cols`: the
    columns instead; `also`: columns after the settings."""
    if cols:
        texts = [i for i, name in enumerate(cols, 1) if not all(_is_number(row.get(name)) for row in rows)]
        wide = [i for i in texts if any(len(format_cell(row.get(cols[i - 1]))) > 16 for row in rows)]
        table = TerminalTable(("run", *cols), left=(0, *texts), wrap=wide, hint="a wider terminal or --json shows them")
        for row in rows:
            table.add_row(row["run"], *(format_cell(row.get(name)) for name in cols))
        return table
    heads = ("run", "settings", *also, "acc", "status", "age", "study")
    left, drop = (0, 1, len(also) + 3, len(also) + 5), ("study", "age", "status")
    hint = "a wider terminal or --json shows them"
    table = TerminalTable(heads, left=left, wrap=(1,), keys=2, hint=hint, drop=drop)
    for row in rows:
        more = [format_cell(row.get(name)) for name in also]
        told = [_accuracy(row), row["status"], describe_age(row["finished"]), _newest_study(row)]
        table.add_row(row["run"], describe_run(row), *more, *told)
    return table


def to_csv(rows: Sequence[Row], cols: Sequence[str] = ()) -> str:
    """Returns the rows as CSV with every column, or `run` and these; numbers in full, lists as JSON, a missing value is
    empty. Text that a spreadsheet would take for a formula gets an apostrophe."""
    every = dict.fromkeys(key for row in rows for key in row)
    names = list(dict.fromkeys(("run", *(cols or every))))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_csv_cell(row.get(name)) for name in names])
    return out.getvalue()


def _csv_cell(value: Any) -> Any:
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return str(value)  # as in runs.csv
    if isinstance(value, list | tuple):
        texts = all(isinstance(item, str) for item in value)
        return escape_formula(" ".join(value)) if texts else dumps(value)
    return escape_formula(value)


def format_cell(value: Any) -> str:
    """A value as a table shows it: numbers with four digits, lists with commas.

    >>> format_cell(0.123456), format_cell(609284), format_cell(["a", "b"]), format_cell(None)
    ('0.1235', '609284', 'a, b', '')
    """
    if is_missing(value):
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(format_cell, value))
    return f"{value:.4g}" if isinstance(value, float) else format_setting(value)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _newest_study(row: Row) -> str:
    return fit_name(row["studies"][0]) if row["studies"] else "-"


def _accuracy(row: Row) -> str:
    return "" if is_missing(row["test_acc"]) else f"{row['test_acc']:.3f}"


def describe_run(row: Row) -> str:
    """Names the settings of a run that differ in its newest study, its seed, and the parts edited since."""
    settings = f"{row['point']} seed={row['seed']}" if row["point"] else " ".join(f"{k}={row[k]}" for k in SHOWN)
    return settings + (f"  ({', '.join(row['edited'])} edited since)" if row["edited"] else "")


def fit_name(name: str) -> str:
    """A name of a study, cut in the middle where it is long."""
    return name if len(name) <= WIDEST else f"{name[: WIDEST - 10]}...{name[-7:]}"


def describe_age(finished: str | None) -> str:
    """How long ago a run was finished, in its largest unit: 40s, 5m, 3h, 2d; empty where it is not known."""
    if not finished:
        return ""
    seconds = max(0.0, time.time() - datetime.fromisoformat(finished).timestamp())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"
