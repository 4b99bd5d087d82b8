"""A study whose runs were attacked, as the tests of its tables, sentences and figures need it."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from stackcli.analysis.study_data import Frames

ITEMS, RIGHT = 100, 80
KINDS: dict[str, dict[str, Any]] = {
    "hotflip": {"unit": "changed words", "changes": "tokens", "keeps_label": False, "gradients": True},
    "typo": {"unit": "changed words", "changes": "letters", "keeps_label": True, "gradients": False},
    "pgd": {"unit": "norm", "changes": "vectors", "keeps_label": True, "gradients": True},
    "shift": {"unit": "positions", "changes": "positions", "keeps_label": True, "gradients": False},
    "prefix": {"unit": "words put before", "changes": "tokens", "keeps_label": True, "gradients": False},
    "windows": {"unit": "places a token moves", "changes": "tokens", "keeps_label": False, "gradients": False},
    "reversal": {"unit": "all tokens", "changes": "tokens", "keeps_label": False, "gradients": False},
}
FLIPPED = {"hotflip": 8, "typo": 4, "pgd": 12, "shift": 2, "prefix": 1, "windows": 1, "reversal": 3}


def attacked_study(
    frames: Frames, flipped: Mapping[str, int] = FLIPPED, *, slope: float = 4.0, masking: str = "", **more: Any
) -> Frames:
    """A study whose runs were attacked on 100 items, 80 of them right: `flipped` is the number of items that an attack
    flips at its smallest budget at the first value of the first axis. It is multiplied by 1, 3 and 5, grows by `slope`
    for each further value, and by 1 with each seed of a further value; random changes flip a quarter, rounded down."""
    done = frames.runs[frames.runs["status"] == "done"]
    keys = list(dict.fromkeys(["run", "arm", "point", "seed", "status", *frames.axes]))
    levels = list(dict.fromkeys(frames.runs[frames.axes[0]])) if frames.axes else []
    rows = []
    for head in done[keys].to_dict("records"):
        step = levels.index(head[frames.axes[0]]) if levels else 0
        for name, (factor, norm) in itertools.product(flipped, ((1.0, 0.1), (3.0, 0.3), (5.0, 1.0))):
            if name == "reversal" and factor > 1:
                continue
            budget = norm if name == "pgd" else factor
            count = min(RIGHT, int(flipped[name] * factor + slope * step + head["seed"] * bool(step)))
            row = {"attack": name, "budget": math.nan if name == "reversal" else budget, **KINDS[name]}
            row |= {"items": ITEMS, "right": RIGHT, "flipped": count, "control": count // 4, "changed": count}
            row |= {"still": 0, "predicted": None, "masking": masking}
            rows.append({**head, **row, **more})
    found = pd.DataFrame(rows)
    return replace(frames, attack_rows=lambda: found)
