"""Words that choose runs, such as depth=4, pe=rope,alibi or 'test_acc>0.8', applied to rows of stored runs.

A row is what `run_index.read_rows` yields. A run whose row lacks the number or the setting never matches, whatever the
comparison.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from stackcli.common.records import Result
from stackcli.common.suggestions import suggest_nearest
from stackcli.common.wording import format_setting
from stackcli.config.settings import Config

Row = Mapping[str, Any]
FORM = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(!=|>=|<=|==|=|>|<)\s*(.*?)\s*", re.DOTALL)
OWN = ("run", "studies", "point", "finished", "seconds", "edited")  # columns that are no setting and no result
ALIASES = {"study": "studies", "acc": "test_acc", "id": "run"}
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}
SUBCOMMANDS = ("list", "show", "diff", "verify", "rm", "restore", "gc")  # of stackattn runs
DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T[\d:]*Z?)?)?)?")


class Filter(NamedTuple):
    """A condition: the column, its sign (= != > >= < <=), and the value as typed."""

    key: str
    sign: str
    value: str

    @property
    def text(self) -> str:
        return f"{self.key}{self.sign}{self.value}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of which one is enough: the whole text, and its parts between commas."""
        parts = (part.strip() for part in self.value.split(","))
        return tuple(dict.fromkeys((self.value, *parts)))


def is_filter(word: str) -> bool:
    """Whether a word is a condition, and not the id of a run."""
    return FORM.fullmatch(word) is not None


def known_columns(rows: Iterable[Row]) -> tuple[str, ...]:
    """Returns the columns of any row, and every setting and result that a run may have."""
    found = dict.fromkeys(OWN)
    found |= dict.fromkeys(f.name for f in fields(Config)) | dict.fromkeys(f.name for f in fields(Result))
    for row in rows:
        found |= dict.fromkeys(row)
    return tuple(found)


def check_columns(names: Iterable[str], columns: Sequence[str], option: str = "") -> list[str]:
    """Returns the columns that are meant by these names; `study` is the column `studies`. Raises ValueError with a
    suggestion for an unknown one. `option`: the option that names them, for the message."""
    found, wrong = [], []
    for name in names:
        key = ALIASES.get(name, name)
        if key not in columns and not _is_setting(key):
            near = suggest_nearest(name, [*columns, *ALIASES], "every column is in stackattn runs --json")
            wrong.append(f"{option} {name}: no such column{near}".lstrip())
        found.append(key)
    if wrong:
        raise ValueError("\n".join(wrong))
    return found


def _is_setting(key: str) -> bool:
    """Whether a key is a setting of a part that no stored run has."""
    if "." not in key:
        return False
    from stackcli.config.grid import setting_keys  # which takes a moment to load

    return key in setting_keys()


def parse_filters(words: Iterable[str], columns: Sequence[str]) -> tuple[Filter, ...]:
    """Reads conditions. Raises ValueError, one line for each word that is none, with what to type."""
    found, wrong = [], []
    for word in words:
        match = FORM.fullmatch(word)
        try:
            if match is None:
                raise ValueError(_describe_word(word, columns))
            key, sign, value = match.groups()
            if not value:
                raise ValueError(f"{word}: a value is missing after {sign}")
            (key,) = check_columns([key], columns)
            found.append(Filter(key, "=" if sign == "==" else sign, value))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("\n".join(wrong))
    return tuple(found)


def _describe_word(word: str, columns: Sequence[str]) -> str:
    key = ALIASES.get(word, word)
    if key in columns:
        return (
            f"{word}: a column without a condition; write {word}=VALUE, or in quotes '{word}>VALUE': "
            f"without quotes the shell takes > and < for files"
        )
    if near := suggest_nearest(word, SUBCOMMANDS):
        return f"{word}: no condition{near} Write stackattn runs --help for the subcommands"
    return f"{word!r}: no condition; write KEY=VALUE or 'KEY>VALUE' in quotes, or stackattn runs show ID for one run"


def choose_rows(rows: Sequence[Row], filters: Iterable[Filter]) -> list[Row]:
    """Returns the rows that meet every condition. Raises ValueError where a value does not fit its column."""
    tests, wrong = [], []
    for condition in filters:
        try:
            tests.append((condition.key, _condition_test(condition, rows)))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("\n".join(wrong))
    return [row for row in rows if all(not is_missing(row.get(key)) and test(row[key]) for key, test in tests)]


def is_missing(value: Any) -> bool:
    """Whether a cell has no value: None, or a number that is NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _condition_test(condition: Filter, rows: Sequence[Row]) -> Callable[[Any], bool]:
    """Returns what tells of a cell whether it meets a condition."""
    cells = [cell for row in rows if not is_missing(cell := row.get(condition.key))]
    numeric = bool(cells) and all(isinstance(c, int | float) and not isinstance(c, bool) for c in cells)
    if condition.sign in ORDER:
        return _order_test(condition, numeric or not cells)
    if numeric:
        for choice in condition.choices[1:] or condition.choices:
            parse_number(choice, condition)
    elif cells and all(isinstance(c, bool) for c in cells):
        for choice in condition.choices[1:] or condition.choices:
            if choice.lower() not in ("true", "false"):
                raise ValueError(f"{condition.text}: {condition.key} is true or false")
    wanted = condition.choices
    if condition.sign == "=":
        return lambda cell: any(_equals(cell, choice, condition.key) for choice in wanted)
    return lambda cell: not any(_equals(cell, choice, condition.key) for choice in wanted)


def _order_test(condition: Filter, numeric: bool) -> Callable[[Any], bool]:
    compare = ORDER[condition.sign]
    if condition.key == "finished":
        if not DATE.fullmatch(condition.value):
            raise ValueError(f"{condition.text}: write a date, such as 'finished>2026-11-28' or 2026-11-28T12:00")
        return lambda cell: compare(cell, condition.value)
    if not numeric:
        raise ValueError(f"{condition.text}: only numbers can be compared; write {condition.key}=VALUE")
    number = parse_number(condition.value, condition)
    return lambda cell: compare(cell, number)


def parse_number(text: str, condition: Filter) -> float:
    """Reads the number of a condition; whole numbers stay exact. Raises ValueError where it is none, or NaN."""
    try:
        number: float = int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ValueError(f"{condition.text}: {condition.key} is a number; {text or 'an empty value'} is none")
    return number


def _equals(cell: Any, typed: str, key: str) -> bool:
    if isinstance(cell, list | tuple):
        return typed == "none" if not cell else any(_equals(item, typed, key) for item in cell)
    if isinstance(cell, bool):
        return format_setting(cell) == typed.lower()
    if isinstance(cell, int | float):
        try:
            return bool(cell == (int(typed) if re.fullmatch(r"[+-]?\d+", typed) else float(typed)))
        except ValueError:
            return False
    return str(cell).startswith(typed) if key in ("run", "finished") else str(cell) == typed


def describe_nothing(rows: Sequence[Row], filters: Iterable[Filter]) -> str:
    """Says why no row was chosen: the first condition that no stored run meets, with the values that there are."""
    for condition in filters:
        if condition.sign != "=" or choose_rows(rows, [condition]):
            continue
        cells = [row.get(condition.key) for row in rows]
        each = [item for cell in cells for item in (cell if isinstance(cell, list | tuple) else [cell])]
        stored = list(dict.fromkeys(format_setting(item) for item in each if not is_missing(item)))
        near = suggest_nearest(condition.value, stored)
        shown = ", ".join(stored[:8]) + (", ..." if len(stored) > 8 else "")
        return f"no run has {condition.text}{near or (f'; stored: {shown}' if stored else '')}"
    return f"none of {len(rows):,} runs matches"


def sort_rows(rows: Sequence[Row], key: str, *, descending: bool = False) -> list[Row]:
    """Returns the rows by a column, numbers before texts; those without a value stay last."""

    def rank(row: Row) -> tuple[int, Any]:
        value = row[key]
        number = isinstance(value, int | float)
        return (0, value) if number else (1, ", ".join(value) if isinstance(value, list | tuple) else str(value))

    there = [row for row in rows if not is_missing(row.get(key))]
    return [*sorted(there, key=rank, reverse=descending), *(row for row in rows if is_missing(row.get(key)))]
