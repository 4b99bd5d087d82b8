"""One checked property of an encoding, and the sizes used for the checks."""

from typing import NamedTuple

VOCAB, CLASSES, BATCH, LENGTH = 50, 5, 4, 24


class Property(NamedTuple):
    """One row of a certificate. `mark`: passed, warning (works, could be better), failed, or empty for a plain fact."""

    name: str
    found: str
    evidence: str
    mark: str = ""


def mark(good: bool, otherwise: str = "failed") -> str:
    """Returns `passed`, or `otherwise` if the property does not hold."""
    return "passed" if good else otherwise
