"""Text of cells that a spreadsheet would take for formulas."""

from typing import Any

FORMULA = tuple("=+-@\t")  # how they begin


def escape_formula(value: Any) -> Any:
    """Returns a text that a spreadsheet would take for a formula with an apostrophe before it, on one line; any other
    value as it is.

    >>> escape_formula("=1+1"), escape_formula("pe=rope"), escape_formula(-1.5)
    ("'=1+1", 'pe=rope', -1.5)
    """
    if not isinstance(value, str):
        return value
    value = value.replace("\r", " ")  # a carriage return would end the line
    return "'" + value if value[:1] in FORMULA else value
