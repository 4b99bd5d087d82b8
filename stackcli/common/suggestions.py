"""Did you mean: the nearest of some names."""

from collections.abc import Iterable


def suggest_nearest(given: str, names: Iterable[str], then: str = "") -> str:
    """`; did you mean depth?`, or nothing where no name is near; and the sentence `then` after it."""
    import difflib  # here: it is slow to load, and most commands suggest nothing

    near = difflib.get_close_matches(given, list(names), n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    if not then:
        return hint
    return f"{hint} {then[0].upper()}{then[1:]}" if hint else f"; {then}"
