"""Formats numbers, settings and seeds for messages and tables."""

from collections.abc import Iterable
from typing import Any


def count_noun(number: int, many: str, one: str = "") -> str:
    """Returns a number with its noun. For 1 the noun is `one`, by default `many` without its last letter.

    >>> count_noun(1200, "runs"), count_noun(1, "runs"), count_noun(1, "texts are", "text is")
    ('1,200 runs', '1 run', '1 text is')
    """
    return f"{number:,} {many if number != 1 else one or many[:-1]}"


def format_setting(value: Any) -> str:
    """Returns a setting as it is typed on the command line, or a dash for a missing one.

    >>> format_setting(True), format_setting(2.0), format_setting(None)
    ('true', '2', '-')
    """
    if value is None or (isinstance(value, float) and value != value):
        return "-"
    if str(value) in ("True", "False"):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_seeds(seeds: Iterable[int], *, listed: int = 2) -> str:
    """Returns the seeds as a list; more than `listed` consecutive seeds as a range such as `0 to 200`."""
    each = sorted(map(int, seeds))
    follow = len(each) > listed and each[-1] - each[0] == len(each) - 1
    return f"{each[0]} to {each[-1]}" if follow else ", ".join(map(str, each))


def quote_blanks(name: str) -> str:
    """A name as it can stand in a line: a space, a line end and the like in quotes."""
    return name if name.isprintable() and name.strip() else repr(name)


def format_duration(seconds: float) -> str:
    """Formats a duration in seconds, minutes or hours.

    >>> format_duration(41.3), format_duration(200), format_duration(9000)
    ('41 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def escape_controls(text: str) -> str:
    """Returns a text in which what cannot be printed is written as an escape, so that it cannot steer a terminal.

    >>> escape_controls("a\\x1b[2Jb\\n")
    'a\\\\x1b[2Jb\\\\n'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
