"""Prepares text for a figure: replaces what cannot be drawn, measures it, and breaks it to fit."""

import math
import re
import unicodedata
from functools import cache

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from stackcli.common.encodable import replace_surrogates
from stackcli.figures._fonts import drawable, families
from stackcli.figures._style import SIZE, UNITS


def plain_text(value: object) -> str:
    """Returns a user's text or value on one line of valid Unicode: half a surrogate pair becomes �, a line break
    becomes a space."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if isinstance(value, float | np.floating):
        return f"{value:g}"
    text = replace_surrogates(str(value))
    return "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)


def safe_text(value: object) -> str:
    """Returns a user's text or value, safe to draw: as `plain_text`, with letters that no installed font has replaced
    by a number."""
    return drawable(plain_text(value))


def label(setting: str) -> str:
    """Returns a setting with its unit: depth (blocks)."""
    return f"{safe_text(setting)} ({UNITS[setting]})" if setting in UNITS else safe_text(setting)


@cache
def _advance(sign: str) -> float:
    return float(
        text_to_path.get_text_width_height_descent(sign, FontProperties(family=families(), size=SIZE), False)[0]
    )


def width(text: str, size: float = SIZE) -> float:
    """Returns the width of a line of text, in points."""
    return sum(map(_advance, text)) * size / SIZE


def fit(text: str, room: float, lines: int = 2, size: float = SIZE) -> str:
    """Returns the text in at most `lines` lines of at most `room` points, broken between words if possible.

    If it is still too long, the middle of the last line is cut out, as long names often differ at the end."""
    out: list[str] = []
    rest = safe_text(text).strip()
    while rest and width(rest, size) > room and len(out) < lines - 1:
        cut = _cut(rest, room, size)
        breaks = [[m.end() for m in re.finditer(kind, rest[:cut])] for kind in (r"\s", r"[,;:=/_+\-]")]
        cut = next((ends[-1] for ends in breaks if ends and ends[-1] > cut / 3), cut)
        out.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if width(rest, size) > room:
        room -= width("…", size)
        tail = rest[len(rest) - _cut(rest[::-1], room / 2, size) :].lstrip()
        rest = rest[: _cut(rest, room - width(tail, size), size)].rstrip() + "…" + tail
    return "\n".join([*out, rest])


def _cut(text: str, room: float, size: float) -> int:
    """Returns how many characters fit, at least one."""
    total = np.cumsum([_advance(sign) for sign in text]) * size / SIZE
    return max(1, int(np.searchsorted(total, room, side="right")))
