"""Curves in one line of text."""

import math
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
PLAIN = "_.,-~=*#"  # for outputs that have no bars


def draw_sparkline(values: Sequence[float | None], *, width: int = 40, log: bool = False, bars: str = BARS) -> str:
    """Returns a bar for each value, the lowest value to the lowest bar and the highest to the highest; of more values
    than `width`, evenly spaced ones with the first and the last. A value that is missing or not finite is a space.
    `log`: heights by the logarithm; without effect where a value is not positive.

    >>> draw_sparkline([0, 1, 2, 7]), draw_sparkline([1, 10, 100], log=True), draw_sparkline([3, None, 3])
    ('▁▂▃█', '▁▅█', '▄ ▄')
    """
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    there = [v for v in values if v is not None and math.isfinite(v)]
    if not there:
        return " " * len(values)
    if log and min(there) > 0:
        return draw_sparkline([_log(v) for v in values], width=width, bars=bars)
    low, high = min(there), max(there)
    middle = bars[(len(bars) - 1) // 2]
    return "".join(_bar(v, low, high, bars, middle) for v in values)


def _log(value: float | None) -> float | None:
    return math.log(value) if value is not None and math.isfinite(value) else None


def _bar(value: float | None, low: float, high: float, bars: str, middle: str) -> str:
    if value is None or not math.isfinite(value):
        return " "
    if high == low:
        return middle
    return bars[min(len(bars) - 1, int((value - low) / (high - low) * len(bars)))]


def pick_bars(encoding: str | None) -> str:
    """Returns the bars that an encoding has, or those of ASCII; a stream without an encoding takes any text."""
    try:
        BARS.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return BARS
