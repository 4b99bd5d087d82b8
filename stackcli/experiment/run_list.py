"""The stored runs as rows, newest first: the command `runs`."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from stackcli.analysis.terminal_table import TerminalTable
from stackcli.experiment.run_index import read_rows
from stackcli.experiment.store import Store

SHOWN = ("data", "depth", "pe", "residual", "seed")  # settings of every row
WIDEST = 24  # characters of a study's name in the table


def list_runs(store: Store) -> Iterator[dict[str, Any]]:
    """Yields a row for each run: `run`, some settings, `status`, `test_acc`, the `studies` that it belongs to, newest
    first, its `point` in the newest of them, when its training `finished` (UTC), and the parts `edited` since."""
    for row in read_rows(store):
        yield {key: row[key] for key in ("run", *SHOWN, "status", "test_acc", "studies", "point", "finished", "edited")}


def table_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yields the rows as lines under a head, for a file or another program. The settings are those that differ in the
    newest study of a run."""
    names = [fit_name(row["studies"][0]) if row["studies"] else "-" for row in rows]
    width = max(map(len, ("study", *names)))
    yield f"{'run':16}  {'study':{width}}  {'age':>4}  {'status':8}  {'acc':5}  settings"
    for row, name in zip(rows, names, strict=True):
        acc = "" if row["test_acc"] is None else f"{row['test_acc']:.3f}"
        age = describe_age(row["finished"])
        yield f"{row['run']:16}  {name:{width}}  {age:>4}  {row['status']:8}  {acc:5}  {describe_run(row)}"


def runs_table(rows: list[dict[str, Any]]) -> TerminalTable:
    """Returns the rows as a table for a terminal, in which the runs and their settings stay at any width."""
    heads = ("run", "settings", "acc", "status", "age", "study")
    table = TerminalTable(heads, left=(0, 1, 3, 5), wrap=(1,), keys=2, hint="a wider terminal or --json shows them")
    for row in rows:
        acc = "" if row["test_acc"] is None else f"{row['test_acc']:.3f}"
        name = fit_name(row["studies"][0]) if row["studies"] else "-"
        table.add_row(row["run"], describe_run(row), acc, row["status"], describe_age(row["finished"]), name)
    return table


def describe_run(row: dict[str, Any]) -> str:
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
