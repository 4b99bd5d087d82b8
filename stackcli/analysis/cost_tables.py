"""The tables of `cost`: all points, exponents, predictions."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from stackcli.analysis import tables
from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.wording import format_setting
from stackcli.config.validation import in_words

Cells = Mapping[str, Callable[[Mapping[str, Any]], str]]  # head -> the text of a row


def format_ms(value: float | None) -> str:
    """Formats milliseconds with about three digits.

    >>> format_ms(0.512), format_ms(12.34), format_ms(1234.5)
    ('0.51', '12.3', '1,234')
    """
    if value is None or math.isnan(value):
        return ""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def format_mib(value: float | None) -> str:
    """Formats bytes as MiB, with about three digits."""
    return format_ms(None if value is None else value / 2**20)


def format_exponent(row: Mapping[str, Any], name: str) -> str:
    """Formats an exponent with its interval: 1.86 [1.70, 2.02]; without bounds where there are too few points."""
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if math.isnan(value):
        return ""
    return f"{value:.2f}" if math.isnan(low) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def describe_state(row: Mapping[str, Any]) -> str:
    """Says in the table why a point has no times."""
    if row["status"] == "needs memory":
        return f"needs {in_words(row['needed'])}"
    return str(row["status"])


def _quartiles(row: Mapping[str, Any]) -> str:
    low, high = format_ms(row["step_ms_low"]), format_ms(row["step_ms_high"])
    return f"{low}–{high}" if low else ""


POINTS: Cells = {
    "infer\nms": lambda row: format_ms(row["inference_ms"]),
    "back\nms": lambda row: format_ms(row["backward_ms"]),
    "step\nms": lambda row: format_ms(row["step_ms"]) if row["status"] == "done" else describe_state(row),
    "quartiles\nms": _quartiles,
    "memory\nMiB": lambda row: format_mib(row["memory"]),
    "scores\nMiB": lambda row: format_mib(row["score_bytes"]),
    "FLOPs": lambda row: "" if pd.isna(row["flops"]) else tables.format_count(row["flops"]),
    "params": lambda row: "" if pd.isna(row["params"]) else tables.format_count(row["params"]),
}
IN_FILES = "a wider terminal, table.csv and exponents.csv show them"
HIDE_FIRST = ("params", "back\nms", "scores\nMiB", "FLOPs", "quartiles\nms")


def render_points(points: pd.DataFrame, axes: Sequence[str]) -> TerminalTable:
    """Returns a row for each point; columns that do not fit are named in the caption."""
    return _render(points, axes, POINTS, HIDE_FIRST)


def render_exponents(exponents: pd.DataFrame, crossing: pd.DataFrame, axes: Sequence[str], base: str) -> TerminalTable:
    """Returns a row for each arm along `seq`: exponents of n in time and memory with 95 % intervals, the slopes between
    the two longest lengths, and from which length the arm is faster than `base`, where that was measured."""
    others = [axis for axis in axes if axis != "seq"]
    cells: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "time ~ n^\n95 % interval": lambda row: format_exponent(row, "time"),
        "last\nslope": lambda row: _plain(row["time_last"]),
        "memory ~ n^\n95 % interval": lambda row: format_exponent(row, "memory"),
        "last\nmemory slope": lambda row: _plain(row["memory_last"]),
    }
    if len(crossing):
        where = {tuple(row[axis] for axis in others): row for row in crossing.to_dict("records")}
        head = f"faster than\n{base}"
        cells[head] = lambda row: format_crossing(where.get(tuple(row[axis] for axis in others)))
    return _render(exponents, others, cells, ("last\nmemory slope",))


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def format_crossing(row: Mapping[str, Any] | None) -> str:
    """Formats from which length on an arm is faster: always, never, from 736, below 736."""
    if row is None:
        return ""
    kind = str(row["where"])
    return kind if kind in ("always", "never") else f"{kind} {row['at']:,.0f}"


def render_sizes(sizes: pd.DataFrame, axes: Sequence[str]) -> TerminalTable:
    """Returns the exponents of depth, heads and other numbers that were swept, the other settings fixed."""
    others = [axis for axis in axes if axis != "seq"]
    cells: Cells = {
        "tokens": lambda row: f"{row['seq']:,}",
        "time ~ x^\n95 % interval": lambda row: format_exponent(row, "time"),
        "memory ~ x^\n95 % interval": lambda row: format_exponent(row, "memory"),
        "values": lambda row: str(row["values"]),
    }
    return _render(sizes.rename(columns={"axis": "x"}), ["x", *others], cells, ("values",))


def render_predictions(found: pd.DataFrame, axes: Sequence[str]) -> TerminalTable:
    """Returns step times predicted from the shorter lengths beside those measured, and at a length not measured."""
    cells: Cells = {
        "tokens": lambda row: f"{row['length']:,}",
        "predicted\nms": lambda row: format_ms(row["predicted_ms"]),
        "measured\nms": lambda row: format_ms(row["measured_ms"]),
        "error": lambda row: f"{100 * row['error']:+.1f} %",
        "at 2 x tokens, not\nmeasured, ms": lambda row: f"about {format_ms(row['beyond_ms'])}",
    }
    return _render(found, [axis for axis in axes if axis != "seq"], cells, ())


def _render(rows: pd.DataFrame, axes: Sequence[str], cells: Cells, hide: Sequence[str] = ()) -> TerminalTable:
    left = [i for i, axis in enumerate(axes) if not (axis in rows and pd.api.types.is_numeric_dtype(rows[axis]))]
    names = [*axes, *(" ".join(head.split()) for head in cells)]
    drop = [" ".join(head.split()) for head in hide]
    heads = [*axes, *cells]
    out = TerminalTable(heads, left=left, keys=len(axes), names=names, drop=drop, hint=IN_FILES)
    for row in rows.to_dict("records"):
        out.add_row(*(format_setting(row.get(axis)) for axis in axes), *(text(row) for text in cells.values()))
    return out
