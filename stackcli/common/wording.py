"""Numbers, settings and seeds as messages and tables write them."""

from collections.abc import Iterable
from typing import Any


def count_noun(number: int, many: str, one: str = "") -> str:
    """The number with its words, which without `one` lose their last letter where it is 1.

    >>> counted(1200, "runs"), counted(1, "runs"), counted(1, "texts are", "text is")
    ('1,200 runs', '1 run', '1 text is')
    """
    return f"{number:,} {many if number != 1 else one or many[:-1]}"


def format_setting(value: Any) -> str:
    """A setting as it is typed; a dash where a point has no such setting.

    >>> format_setting(True), format_setting(2.0), format_setting(None)
    ('true', '2', '-')
    """
    if value is None or (isinstance(value, float) and value != value):
        return "-"
    if str(value) in ("True", "False"):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_seeds(seeds: Iterable[int], *, listed: int = 2) -> str:
    """Each of them; more than `listed` that follow one another as a range, 0 to 200."""
    each = sorted(map(int, seeds))
    follow = len(each) > listed and each[-1] - each[0] == len(each) - 1
    return f"{each[0]} to {each[-1]}" if follow else ", ".join(map(str, each))
