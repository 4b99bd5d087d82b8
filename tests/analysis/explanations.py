"""An explanation, and a study with explanations, as the tests of their words, tables and figures need them."""

import io
import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from rich.console import Console

from stackcli.analysis.study_data import Frames

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
    "spread": 1.0,
    "tokens": ("which", "enzyme", "has", "mass"),
    "cut": 0,
    "heads": HEADS,
    "probability": {"Biology": 0.9, "Physics": 0.1},
    "explained": "Biology",
    "lens": [{"Physics": 0.7, "Biology": 0.3}, {"Biology": 0.55, "Physics": 0.45}, {"Biology": 0.9, "Physics": 0.1}],
    "controls": {"perfect": {**CONTROL, "sanity": 0.0}, "random": {**CONTROL, "deletion": 0.1, "sanity": 1.0}},
    "methods": METHODS,
}


def printed(item: Any) -> str:
    """What the terminal shows, 80 columns wide."""
    console = Console(width=80, file=io.StringIO())
    console.print(item)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def explained_study(frames: Frames, scores: Mapping[str, float], slope: float = -0.5) -> Frames:
    """A study whose runs were explained: `scores` is the faithfulness of each method at the first value of the first
    axis; it changes by `slope` for each further value, and a little with the seed."""
    done = frames.runs[frames.runs["status"] == "done"]
    keys = list(dict.fromkeys(["run", "arm", "point", "seed", "status", *frames.axes]))
    levels = list(dict.fromkeys(frames.runs[frames.axes[0]])) if frames.axes else []
    rows, heads = [], []
    for head in done[keys].to_dict("records"):
        step = levels.index(head[frames.axes[0]]) if levels else 0
        for name, value in scores.items():
            row = {"faithfulness": value + slope * step + 0.01 * head["seed"] * (step + 1)}
            row |= {
                "agreement": 0.5 - 0.1 * step + 0.001 * head["seed"] * step,
                "sanity": 0.9 if name == "rollout" else 0.1,
            }
            rows.append({**head, "method": name, "control": False, **row})
        for name, value in (("perfect", 4.0), ("random", 0.1)):
            rows.append(
                {**head, "method": name, "control": True, "faithfulness": value, "agreement": 1.0, "sanity": 0.0}
            )
        for layer, place in itertools.product((1, 2), (1, 2)):
            offsets = [0.01 * layer * place + 0.1 * (i == place) for i in range(5)]
            heads.append({**head, "layer": layer, "head": place, "distance": 3.0 + step, "offsets": offsets})
    found = pd.DataFrame(rows), pd.DataFrame(heads)
    return replace(frames, score_tables=lambda: found)
