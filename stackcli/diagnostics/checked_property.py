"""What is checked of an encoding, and the sizes at which it is."""

from typing import NamedTuple

VOCAB, CLASSES, BATCH, LENGTH = 50, 5, 4, 24


class Property(NamedTuple):
    """`mark`: passed, warning (it works, and could be better), failed, or nothing where it is a mere fact."""

    name: str
    found: str
    evidence: str
    mark: str = ""


def mark(good: bool, otherwise: str = "failed") -> str:
    return "passed" if good else otherwise
