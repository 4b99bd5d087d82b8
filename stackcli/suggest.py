"""What to type instead: the nearest names, and values that would do. Pure functions behind every error's last words."""

import difflib
from collections.abc import Iterable

NOTHING = ("", "no", "off", "false", "null", "~")  # what people type where they want `none`


def nearest(word: str, options: Iterable[str]) -> str:
    """The option most like the word, whatever its case, or "" where none is alike; `no` and `off` are near `none`."""
    lower = {option.lower(): option for option in options}
    if word.lower() in NOTHING and "none" in lower:
        return lower["none"]
    found = difflib.get_close_matches(word.lower()[:100], lower, n=1, cutoff=0.6)
    return lower[found[0]] if found else ""


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """`; did you mean depth?`, or "" where no option is alike."""
    found = nearest(word, options)
    return f"; did you mean {found}?" if found else ""


def choose(word: str, options: Iterable[str]) -> str:
    """`; did you mean rope?` where an option is alike, and always the list: `; choose from alibi, none, rope`."""
    known = tuple(options)
    guess = did_you_mean(word, known)
    return f"{guess} choose from {', '.join(known)}" if guess else f"; choose from {', '.join(known)}"


def short(text: str, width: int = 80) -> str:
    """The text as it can be printed in a message: no control characters, no lone surrogates, no novel."""
    clean = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: width + 1])
    return clean if len(clean) <= width else clean[: width - 3] + "..."


def divisible(dim: int, heads: int) -> str:
    """`dim=30 is not divisible by heads=4; try dim=28 or dim=32, or heads=1, 2, 3, 5`: up to three below, one above."""
    dims = [f"dim={near}" for near in (dim // heads * heads, dim // heads * heads + heads) if near]
    divisors = [n for n in range(1, dim + 1) if dim % n == 0]
    near_by = [n for n in divisors if n < heads][-3:] + [n for n in divisors if n > heads][:1]
    return (
        f"dim={dim} is not divisible by heads={heads}; try {' or '.join(dims)}, or heads={', '.join(map(str, near_by))}"
    )
