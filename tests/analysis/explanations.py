"""An explanation as the tests of its words and tables need it."""

import io
from typing import Any

from rich.console import Console

HEADS = [
    {
        "layer": layer,
        "distance": layer + head / 2,
        "entropy": 1.0,
        "first": 0.25,
        "padding": 0.0,
        "offsets": [0.0, 0.1, 0.52 if head else 0.2, 0.3, 0.08],
    }
    for layer in (1, 2)
    for head in (0, 1)
]


def method(**changes: Any) -> dict[str, Any]:
    """The scores of a method."""
    return {
        "words": (0.0, 2.0, 0.1, -1.0),
        "positions": None,
        "tokens": (0.0, 2.0, 0.1, -1.0),
        "error": None,
        "points": None,
        "signed": True,
        "deletion": -1.0,
        "insertion": 1.0,
        "comprehensiveness": 2.0,
        "sufficiency": 0.5,
        "agreement": 0.25,
        "baseline": None,
        "other_baseline": {},
        "sanity": {},
        **changes,
    }


INTEGRATED = {"positions": (0.0, 0.5, 0.0, 0.0), "error": 0.004, "points": 16, "baseline": "zero"}
CONTROL = {"deletion": -2.0, "insertion": 2.0, "comprehensiveness": 3.0, "sufficiency": -1.0, "agreement": 1.0}
METHODS = {"occlusion": method(), "integrated": method(**INTEGRATED, other_baseline={"mean": 0.8})}

ROW: dict[str, Any] = {
    "text": "which enzyme has mass",
    "tokens": ("which", "enzyme", "has", "mass"),
    "cut": 0,
    "heads": HEADS,
    "probability": {"Biology": 0.9, "Physics": 0.1},
    "explained": "Biology",
    "controls": {"perfect": {**CONTROL, "sanity": 0.0}, "random": {**CONTROL, "deletion": 0.1, "sanity": 1.0}},
    "methods": METHODS,
}


def printed(item: Any) -> str:
    """What the terminal shows, 80 columns wide."""
    console = Console(width=80, file=io.StringIO())
    console.print(item)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]
