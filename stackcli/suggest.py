"""What to type instead: nearest names, and values that would do. Pure functions, the last words of every error."""

import difflib
import math
import unicodedata
from collections.abc import Iterable

NOTHING = ("", "no", "off", "false", "null", "~")  # what people type where they mean `none`


def nearest(word: str, options: Iterable[str]) -> str:
    """The option most like the word, whatever its case; "" where none is alike."""
    lower = {option.lower(): option for option in options}
    if word.lower() in NOTHING:
        return lower.get("none", "")
    found = difflib.get_close_matches(word.lower()[:100], lower, n=1)
    return lower[found[0]] if found else ""


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """`; did you mean depth?`, or "" where no option is alike."""
    found = nearest(word, options)
    return f"; did you mean {found}?" if found else ""


def choose(word: str, options: Iterable[str]) -> str:
    """`; did you mean rope? choose from alibi, none, rope`, the question only where an option is alike."""
    known = tuple(options)
    return f"{did_you_mean(word, known) or ';'} choose from {', '.join(known)}"


def short(text: str, width: int = 80) -> str:
    """The text as a message can show it: on one line, without lone surrogates, and not a novel."""
    clean = "".join(c.encode("unicode_escape").decode() if unprintable(c) else c for c in text[: width + 1])
    return clean if len(clean) <= width else clean[: width - 3] + "..."


def unprintable(text: str) -> bool:
    """Whether the text holds a control character or a lone surrogate."""
    return any(unicodedata.category(c) in ("Cc", "Cs") for c in text)


def large(number: int) -> str:
    """`1,000,000`; a number that no line can hold as its order of magnitude."""
    return f"{number:,}" if number < 10**15 else f"about 1e{int(math.log10(number))}"


def divisible(dim: int, heads: int) -> str:
    """`dim=30 is not divisible by heads=4; try dim=28 or dim=32, or heads=1, 2, 3, 5`: three divisors below, one above."""
    below = dim // heads * heads
    dims = " or ".join(f"dim={near}" for near in (below, below + heads) if near)
    divisors = [n for n in range(1, dim + 1) if dim % n == 0]
    near_by = [n for n in divisors if n < heads][-3:] + [n for n in divisors if n > heads][:1]
    return f"dim={dim} is not divisible by heads={heads}; try {dims}, or heads={', '.join(map(str, near_by))}"
