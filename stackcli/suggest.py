"""Did you mean: the nearest of some names."""

import difflib
from collections.abc import Iterable


def nearest(given: str, names: Iterable[str]) -> str:
    """`; did you mean depth?`, or nothing where no name is near."""
    near = difflib.get_close_matches(given, list(names), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
