"""Reads (text, label) pairs from a file of rows: CSV, TSV or JSON lines.

The header and the quotes decide how a file is read, so that the same content is the same data set under any name.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from stackcli.common.wording import count_noun
from stackcli.data._source import DataError, read_text

LONGEST_LINE = 1_000_000  # characters
SUFFIXES = {".tsv": "\t", ".tab": "\t"}
SEPARATORS = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar"}
SEPARATOR_LINE = re.compile(r"sep=(.)\n", re.IGNORECASE)  # the first line of some files from Excel
MERGED = 100  # most surplus cells of a line for which quoted cells that contain the separator are tried
SHOWN, WIDTH = 10, 30  # most columns named in an error, and most characters of each


class Row(NamedTuple):
    """The first and the last line of a row, and its cells."""

    first: int
    last: int
    cells: list[str]


@dataclass
class Reading:
    """The result of reading a file in one way."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)  # the first lines of unreadable rows
    blank: int = 0
    spans: list[Row] = field(default_factory=list)  # readable rows of several lines, without their cells
    quoted: int = 0  # cells enclosed in a pair of quotes
    literal: int = 0  # cells that begin with a quote that is an ordinary character


def read_table(path: str, text: str, label: str, encoding: str = "utf-8") -> tuple[list[tuple[str, str]], list[str]]:
    """Returns the (text, label) rows of a CSV, TSV or JSON lines file, and notices. Raises DataError."""
    content = read_text(path, encoding)
    content = content.replace("\r", " ") if "\n" in content else content.replace("\r", "\n")  # a lone \r is no line end
    check_lines(content, path)
    if _is_json(content, path):
        found, notices = _read_json(content, path, text, label), ["read as JSON lines"]
    else:
        found, notices = _read_separated(content, path, text, label)
    return found.rows, _checked(found, path) + notices


def check_lines(content: str, path: str) -> None:
    """Raises DataError for a line of more than `LONGEST_LINE` characters."""
    for number, line in enumerate(content.split("\n"), start=1):
        if len(line) > LONGEST_LINE:
            raise DataError(f"{path}: line {number} has {len(line):,} characters, at most {LONGEST_LINE:,}")


def _checked(found: Reading, path: str) -> list[str]:
    """Returns notices of rows that were left out. Raises DataError for too many."""
    bad, rows = found.bad, found.rows
    if len(bad) * 10 > len(bad) + len(rows):
        raise DataError(
            f"{path}: {len(bad)} of {len(bad) + len(rows)} rows are unreadable (a cell too many or too few, or an empty"
            f" text or label), the first at line {bad[0]}; at most a tenth may be"
        )
    if not rows:
        raise DataError(f"{path}: a header without rows")
    notices = [f"{count_noun(len(bad), 'unreadable rows')} left out, the first at line {bad[0]}"] if bad else []
    return notices + ([f"{count_noun(found.blank, 'blank rows')} left out"] if found.blank else [])


# ---- rows of cells


def _read_separated(content: str, path: str, text: str, label: str) -> tuple[Reading, list[str]]:
    usual = SUFFIXES.get(Path(path.removesuffix(".gz")).suffix.lower(), ",")
    first = SEPARATOR_LINE.match(content)
    given, skip, body = (first[1], 1, content[first.end() :]) if first else ("", 0, content)
    between, head = _header(body, path, (text, label), [given] if given else [usual, *SEPARATORS])
    at = (_column(head, text, "data.text", path), _column(head, label, "data.label", path))
    notices = [] if given or between == usual else [f"cells are split by {SEPARATORS[between]}, as the header shows"]
    found, more = (_read_tabbed if between == "\t" else _read_quoted)(body, path, between, len(head), at, skip)
    return found, notices + more


def _header(content: str, path: str, columns: Sequence[str], separators: Iterable[str]) -> tuple[str, list[str]]:
    """Returns the first separator with which the header has these columns, and the names of all columns."""
    tried: dict[str, list[str]] = {}
    for between in dict.fromkeys(separators):
        try:
            first = next(_quoted_rows(content, between), Row(1, 1, []))
        except csv.Error:
            first = next(_single_lines(content, between))
        tried[between] = [name.strip() for name in first.cells]
        if set(columns) <= set(tried[between]):
            return between, tried[between]
    head = max(tried.values(), key=len)
    raise _no_column(path, columns, head)


def _no_column(path: str, columns: Sequence[str], head: Sequence[str]) -> DataError:
    pairs = zip(("data.text", "data.label"), columns, strict=True)
    missing = [(key, name) for key, name in pairs if name not in head]
    names, write = " and ".join(name for _, name in missing), " ".join(f"{key}=COLUMN" for key, _ in missing)
    return DataError(
        f"{path}: no column {names}; its columns are {_named(head)}; write {write}, or give the file a header line"
    )


def _named(head: Sequence[str]) -> str:
    """Returns the names of the columns, shortened."""
    names = [" ".join(name.split()) for name in head]
    names = [name if len(name) <= WIDTH else name[: WIDTH - 3] + "..." for name in names[:SHOWN]]
    return ", ".join(names) + (f" and {len(head) - SHOWN} more" if len(head) > SHOWN else "")


def _column(head: Sequence[str], name: str, key: str, path: str) -> int:
    """Returns the index of a column. Raises DataError if two have its name."""
    places = [i for i, other in enumerate(head) if other == name]
    if len(places) > 1:
        numbers = " and ".join(str(i + 1) for i in places)
        raise DataError(f"{path}: columns {numbers} are both called {name!r}, so {key} is ambiguous; rename one")
    return places[0]


def _gathered(rows: Iterable[Row], width: int, at: tuple[int, int]) -> Reading:
    """Sorts the rows into readable, unreadable and blank ones, and skips the header."""
    found = Reading()
    for i, row in enumerate(rows):
        cells = row.cells
        if not i:
            continue
        if not any(cell.strip() for cell in cells):
            found.blank += 1
        elif len(cells) != width or not cells[at[0]].strip() or not cells[at[1]].strip():
            found.bad.append(row.first)
        else:
            found.rows.append((cells[at[0]].strip(), cells[at[1]].strip()))
            if row.last > row.first:
                found.spans.append(Row(row.first, row.last, []))
    return found


# ---- CSV, RFC 4180: a quoted cell may hold separators and line ends


def _quoted_rows(content: str, between: str, skip: int = 0) -> Iterator[Row]:
    """Yields the rows as the csv module reads them. Raises csv.Error for a quote that is not closed."""
    csv.field_size_limit(LONGEST_LINE)
    reader = csv.reader(io.StringIO(content, newline="\n"), delimiter=between, strict=True)
    first = 1
    for cells in reader:
        yield Row(first + skip, reader.line_num + skip, cells)
        first = reader.line_num + 1


def _read_quoted(
    content: str, path: str, between: str, width: int, at: tuple[int, int], skip: int
) -> tuple[Reading, list[str]]:
    last = skip

    def rows() -> Iterator[Row]:
        nonlocal last
        for row in _quoted_rows(content, between, skip):
            last = row.last
            yield row

    try:
        found = _gathered(rows(), width, at)
    except csv.Error as error:
        raise DataError(
            f"{path}: the row that starts at line {last + 1} cannot be read: {error}; is a quote open? A cell that"
            f' begins with " must end with it, and a " inside it is written twice'
        ) from None
    return found, _spanning(found)


def _spanning(found: Reading) -> list[str]:
    """Returns a notice of rows that span several lines."""
    if not found.spans:
        return []
    longest = max(row.last - row.first + 1 for row in found.spans)
    rows = count_noun(len(found.spans), "rows span", "row spans")
    return [f"{rows} several lines, as their quotes say, the first at line {found.spans[0].first}, the longest"
            f" {longest} lines"]  # fmt: skip


# ---- TSV: a quote is an ordinary character, unless a pair of them encloses a cell


def _single_lines(
    content: str, between: str, width: int = 0, skip: int = 0, seen: Reading | None = None
) -> Iterator[Row]:
    """Yields a row for each line. Quotes enclose a cell only if they are closed on the same line: in the same cell, or,
    where that gives the wrong number of cells, in a later one."""
    for number, line in enumerate(content.removesuffix("\n").split("\n"), start=1 + skip):
        cells = line.split(between)
        if '"' in line:
            found = [(cell, _unquoted(cell)) for cell in cells]
            if width < len(found) <= width + MERGED and len(across := list(_across(cells, between))) == width:
                found = across
            cells = [bare for _, bare in found]
            if seen is not None:
                seen.quoted += sum(bare != whole for whole, bare in found)
                seen.literal += sum(bare.startswith('"') and bare == whole for whole, bare in found)
        yield Row(number, number, cells)


def _unquoted(cell: str) -> str:
    """Returns a cell without the quotes that enclose it, or the cell itself if none do."""
    body = cell[1:-1].replace('""', "")
    enclosed = len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in body
    return cell[1:-1].replace('""', '"') if enclosed else cell


def _across(cells: Sequence[str], between: str) -> Iterator[tuple[str, str]]:
    """Yields the cells of a line, as written and unquoted, where a quoted one may contain the separator."""
    i = 0
    while i < len(cells):
        ends = (n for n in range(i + 1, len(cells) + 1) if cells[i].startswith('"') and cells[n - 1].endswith('"'))
        joined = ((n, between.join(cells[i:n])) for n in ends)
        end, whole = next(((n, w) for n, w in joined if _unquoted(w) != w), (i + 1, cells[i]))
        yield whole, _unquoted(whole)
        i = end


def _read_tabbed(
    content: str, path: str, between: str, width: int, at: tuple[int, int], skip: int
) -> tuple[Reading, list[str]]:
    seen = Reading()
    found = _gathered(_single_lines(content, between, width, skip, seen), width, at)
    if not seen.quoted + seen.literal:
        return found, []
    try:
        other = _gathered(_quoted_rows(content, between, skip), width, at) if found.bad else found
    except csv.Error:
        other = found
    if len(other.bad) < len(found.bad) and len(other.rows) >= len(found.rows):
        return other, ["quotes enclose cells, which may span lines: more rows are readable this way", *_spanning(other)]
    pairs = f"{seen.quoted} {'cell is' if seen.quoted == 1 else 'cells are'} enclosed by a pair of them"
    signs = f"{seen.literal} {'begins' if seen.literal == 1 else 'begin'} with one that is an ordinary character"
    return found, [f"quotes: {pairs}, {signs}"]


# ---- JSON lines


def _is_json(content: str, path: str) -> bool:
    """Whether the first line is a JSON object. Raises DataError for JSON of any other form."""
    first = content.lstrip().partition("\n")[0]
    if not first.startswith(("{", "[")):
        return False
    if isinstance(_parsed(first), dict):
        return True
    if _parsed(first) is not None or _parsed(content) is not None:
        raise DataError(
            f"{path}: JSON, but not JSON lines; write one object to a line, each with its text and its label"
        )
    return False


def _parsed(line: str) -> Any:
    """Returns the value of a line; None if it is not JSON or repeats a key."""
    try:
        return json.loads(line, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _cell(value: Any) -> str:
    """Returns a value as a cell: text as it is, numbers and booleans as JSON writes them, anything else empty."""
    plain = value if isinstance(value, str) else json.dumps(value) if isinstance(value, bool | int | float) else ""
    return "" if any("\ud800" <= c <= "\udfff" for c in plain) else plain.strip()


def _read_json(content: str, path: str, text: str, label: str) -> Reading:
    found, names = Reading(), dict[str, None]()
    for number, line in enumerate(content.removesuffix("\n").split("\n"), start=1):
        if not line.strip():
            found.blank += 1
            continue
        value = _parsed(line)
        value = value if isinstance(value, dict) else {}
        names.update(dict.fromkeys(map(str, value)))
        cells = (_cell(value.get(text)), _cell(value.get(label)))
        if all(cells):
            found.rows.append(cells)
        else:
            found.bad.append(number)
    if not {text, label} <= set(names):
        raise _no_column(path, (text, label), list(names))
    return found
