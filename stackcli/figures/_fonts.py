"""Finds installed fonts for any script, and numbers texts whose letters no installed font has."""

import itertools
from contextlib import suppress
from functools import cache

import matplotlib
from matplotlib.font_manager import FontEntry, findSystemFonts, fontManager, get_font

FIRST = "DejaVu Sans"  # comes with matplotlib
PREFERRED = ("Noto Sans", "Source Han Sans", "WenQuanYi", "Microsoft", "PingFang", "Hiragino", "Arial", "FreeSans")
NO_LETTERS = ("Last Resort", "LastResort")  # fonts that have a box for every letter
KEY = ".names.txt"  # ends the name of the file beside a figure that has its key
NORMAL = (400, 500, "normal", "regular", "book", "medium")

_families: list[str] = [FIRST]  # that the figure being drawn uses, in the order found
_numbers: dict[str, int] = {}  # of the figure that is being drawn: text -> number


def families() -> list[str]:
    """Returns the font families that texts are drawn with: matplotlib asks the next for letters that one lacks."""
    return list(_families)


def begin_figure() -> None:
    """Forgets the numbers and fonts of the figure before, so that a figure looks alike whatever was drawn first."""
    _numbers.clear()
    _families[:] = [FIRST]


def numbered_texts() -> dict[str, int]:
    """Returns the texts of this figure that no installed font can draw, and their numbers."""
    return dict(_numbers)


def drawable(text: str) -> str:
    """Returns the text with letters that no installed font has replaced by a number, such as #1; takes a further font
    into use for letters that only that one has."""
    if text.isascii():
        return text
    parts = [(known, "".join(part)) for known, part in itertools.groupby(text, _has_glyph)]
    return "".join(part if known else f"#{_numbers.setdefault(part, len(_numbers) + 1)}" for known, part in parts)


def remark() -> str:
    """Says in the small print that texts were numbered; empty if none were."""
    if not _numbers:
        return ""
    names = "#1" if len(_numbers) == 1 else f"#1 to #{len(_numbers)}"
    return f"{names}: no installed font has these letters; the key is in the {KEY} beside the figure"


def _has_glyph(letter: str) -> bool:
    """Whether an installed font has the letter; its family is taken into use."""
    family = FIRST if letter.isascii() else _find_family(letter)
    if family and family not in _families:
        _families.append(family)
        matplotlib.rcParams["font.family"] = families()
    return bool(family)


@cache
def _find_family(letter: str) -> str:
    """Returns the first family that has the letter; empty if none has."""
    return next((entry.name for entry in _candidates() if _holds(entry.fname, letter)), "")


@cache
def _candidates() -> list[FontEntry]:
    """Returns upright fonts of normal weight, the preferred families first, also those that were installed after
    matplotlib made its list."""
    known = {entry.fname for entry in fontManager.ttflist}
    for path in sorted(set(findSystemFonts()) - known):
        with suppress(OSError, RuntimeError):  # a font that FreeType cannot read
            fontManager.addfont(path)
    plain = [e for e in fontManager.ttflist if e.style == "normal" and e.weight in NORMAL]
    kept = [e for e in plain if not e.name.startswith(NO_LETTERS)]

    def rank(entry: FontEntry) -> tuple[int, str, str]:
        order = [i for i, name in enumerate((FIRST, *PREFERRED)) if entry.name.startswith(name)]
        return min(order, default=len(PREFERRED) + 1), entry.name, entry.fname

    return sorted(kept, key=rank)


@cache
def _letters(path: str) -> frozenset[int]:
    try:
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError):  # a font that was removed, or that FreeType cannot read
        return frozenset()


def _holds(path: str, letter: str) -> bool:
    return ord(letter) in _letters(path)


def forget_fonts() -> None:
    """Looks at the installed fonts again."""
    for remembered in (_find_family, _candidates, _letters):
        remembered.cache_clear()
    _families[:] = [FIRST]
