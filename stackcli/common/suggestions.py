"""Suggests the nearest known name for an unknown one."""

from collections.abc import Iterable


def suggest_nearest(given: str, names: Iterable[str], then: str = "") -> str:
    """Returns `; did you mean depth?`, or an empty text if no name is near, followed by the sentence `then`."""
    import difflib  # imported here because it is slow to load and rarely needed

    near = difflib.get_close_matches(given, list(names), n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    if not then:
        return hint
    return f"{hint} {then[0].upper()}{then[1:]}" if hint else f"; {then}"
