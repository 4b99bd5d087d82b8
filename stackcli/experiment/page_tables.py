"""The tables of a page: headings, and rows of cells with the number by which each is sorted."""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from stackcli.common.wording import format_setting

if TYPE_CHECKING:
    from rich.table import Table

    from stackcli.analysis.study_data import Frames

LEADING = re.compile(r"[+−-]?(\d+(\.\d+)?|\.\d+)(e[+-]?\d+)?")
RESULTS = {  # heading of a column of the runs -> its name
    "test acc": "test_acc",
    "test loss": "test_loss",
    "val loss": "val_loss_end",
    "train loss": "train_loss_end",
    "gap end": "gap_end",
    "seconds": "seconds",
}
SUMMARY = (
    "A row for each point: the mean over its finished runs, ± half the width of the 95 % interval over seeds; of two "
    "seeds both values."
)
MARKED = " Baselines are rows of their own, marked as such."


class Cell(NamedTuple):
    """What is written, and the number by which the column is sorted (None for text)."""

    text: str
    value: float | None = None

    @property
    def hidden_value(self) -> str:
        """The number, where the text alone does not show it."""
        plain = self.value is None or LEADING.fullmatch(self.text)
        return "" if plain else f"{self.value:.6g}"


@dataclass(frozen=True)
class PageTable:
    """A table with its title and a note under it. baseline: for each row, whether it is a baseline; filtered: whether
    a box above the table selects rows."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    baseline: tuple[bool, ...] = ()
    filtered: bool = False

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether every cell that is not empty holds a number."""
        columns = zip(*(row for row, b in zip(self.rows, self.marks, strict=True) if not b), strict=True)
        found = tuple(all(cell.value is not None for cell in column if cell.text) for column in columns)
        return found or (False,) * len(self.heads)

    @property
    def marks(self) -> tuple[bool, ...]:
        return self.baseline or (False,) * len(self.rows)


def summary_table(frames: "Frames") -> PageTable:
    """Returns the table of the points, with the baselines as rows."""
    from stackcli.analysis import tables

    table = tables.summarise_points(frames)
    columns = list(table.attrs["columns"])
    heads, texts = tables.table_cells(table, columns)
    records = table.to_dict("records")
    before = list(table.attrs["axes"] or [""])
    before += ["done"] * (len(heads) - len(before) - len(columns))
    rows = [
        tuple(Cell(text, as_number(record.get(name))) for text, name in zip(line, [*before, *columns], strict=True))
        for line, record in zip(texts, records, strict=True)
    ]
    baseline = tuple(record["kind"] == "baseline" for record in records)
    note = SUMMARY + MARKED * any(baseline)
    return PageTable("Points", one_line(heads), tuple(rows), note, baseline, filtered=True)


def run_table(frames: "Frames") -> PageTable:
    """Returns the table of all runs: their point, seed, status, results and id."""
    axes = [axis for axis in frames.axes if axis in frames.runs]
    results = {head: name for head, name in RESULTS.items() if name in frames.runs and frames.runs[name].notna().any()}
    rows = []
    for run in frames.runs.to_dict("records"):
        settings = [Cell(format_setting(run[key]), as_number(run[key])) for key in (*axes, "seed")]
        numbers = [_result(run[name]) for name in results.values()]
        rows.append((*settings, Cell(str(run["status"])), *numbers, Cell(str(run["run"]))))
    return PageTable("All runs", (*axes, "seed", "status", *results, "run"), tuple(rows), filtered=True)


def _result(value: Any) -> Cell:
    number = as_number(value)
    return Cell("") if number is None else Cell(f"{number:z.3f}", number)


def finding_tables(frames: "Frames") -> list[PageTable]:
    """Returns a table of what went wrong and one of every remedy with its command; none where nothing was found."""
    from stackcli.analysis import findings, findings_text

    found = findings.findings(frames)
    if not found:
        return []
    table = findings_text.findings_frame(found, frames)
    first = table.drop_duplicates(["point", "finding"])
    rows = [
        (r["point"], r["finding"], f"{r['k']} of {r['n']}", f"{r['low']:.2f}–{r['high']:.2f}", r["evidence"])
        for r in first.to_dict("records")
    ]
    heads = ("at", "finding", "affected", "95 % interval", "evidence")
    sources = findings_text.findings_table(found, frames.runs).caption
    note = f"Affected: runs with the finding; then the interval of their share. {sources}"
    out = [PageTable("What went wrong", heads, tuple(tuple(map(from_text, row)) for row in rows), note)]
    columns = ["point", "finding", "remedy", "why", "command"]
    tries = [tuple(map(Cell, map(str, row))) for row in table.loc[table["remedy"] != "", columns].to_numpy()]
    return [*out, PageTable("Remedies to try", ("at", *columns[1:]), tuple(tries))] if tries else out


def from_terminal(title: str, table: "Table") -> PageTable:
    """Returns a table that was made for a terminal."""
    heads = one_line([str(column.header) for column in table.columns])
    columns = [[" ".join(str(cell).split("\n")) for cell in column.cells] for column in table.columns]
    rows = tuple(tuple(map(from_text, row)) for row in zip(*columns, strict=True))
    return PageTable(title[:1].upper() + title[1:], heads, rows, str(table.caption or ""))


def from_text(text: str) -> Cell:
    """Returns a cell that is sorted by the number that its text begins with."""
    found = LEADING.match(text)
    return Cell(text, float(found[0].replace("−", "-")) if found else None)


def as_number(value: Any) -> float | None:
    """Returns a finite number as float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def one_line(heads: Sequence[str]) -> tuple[str, ...]:
    """Returns headings without line breaks; one that was hyphenated at a break is put together."""
    return tuple(head.replace("-\n", "").replace("\n", " ") for head in heads)


def shared_words(lines: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Returns the words that all command lines have, as one line, and the other words of each.

    >>> shared_words({"a": "train depth=1 seed=0", "b": "train depth=2 seed=0"})
    ('train seed=0', {'a': 'depth=1', 'b': 'depth=2'})
    """
    split = {name: shlex.split(line) for name, line in lines.items()}
    common = set.intersection(*map(set, split.values())) if split else set[str]()
    first = next(iter(split.values()), [])
    own = {name: shlex.join(word for word in words if word not in common) for name, words in split.items()}
    return shlex.join(word for word in first if word in common), own
