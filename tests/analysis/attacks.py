"""Rows of attacks with counts that tests choose."""

from typing import Any


def row(attack: str = "hotflip", **changes: Any) -> dict[str, Any]:
    """A row: 10 items, 7 right, 3 of them flipped, 1 by a random change, as `summarise_finding` returns it."""
    flips = changes.pop("flips", "1110000")
    control = changes.pop("control_flips", "1000000")
    kinds = {"fgm": "vectors", "pgd": "vectors", "shift": "positions", "typo": "letters"}
    found: dict[str, Any] = {
        "attack": attack,
        "budget": 3.0,
        "unit": "changed words",
        "changes": kinds.get(attack, "tokens"),
        "keeps_label": attack in ("typo", "prefix", "shift", "fgm", "pgd"),
        "gradients": attack in ("fgm", "pgd", "hotflip"),
        "norm": "l2" if attack in ("fgm", "pgd") else None,
        "steps": 10 if attack == "pgd" else None,
        "items": 10,
        "right": len(flips),
        "flipped": flips.count("1"),
        "typed": flips.count("1"),
        "control": control.count("1"),
        "changed": flips.count("1"),
        "still": 0,
        "disagree": 0,
        "unmoved": 0,
        "queries": 12.0,
        "flips": flips,
        "control_flips": control,
    }
    return {**found, **changes}


def record(attack: str = "typo", **changes: Any) -> dict[str, Any]:
    """A text that an attack flipped from the first class to the second."""
    found: dict[str, Any] = {
        "attack": attack,
        "budget": 1.0,
        "item": 7,
        "label": 0,
        "truth": 0,
        "before": "why does ice float",
        "after": "why does iec float",
        "searched": 1,
        "said": 1,
        "typed": 1,
        "queries": 3,
        "control": "why does ice float",
        "control_truth": 0,
        "control_said": 0,
        "moved": 0,
        "unmoved": False,
    }
    return {**found, **changes}


def report(*rows: dict[str, Any], records: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """The attacks on a run with two classes."""
    return {
        "run": "3f2a",
        "data": "subjects",
        "classes": ["Physics", "Biology"],
        "methods": {},
        "refused": {},
        "typed_texts": False,
        "items": 10,
        "right": 7,
        "unwritable": 0,
        "vector_norm": 8.125,
        "rows": list(rows),
        "records": list(records),
    }
