"""Studies of a few made-up runs, as the tests of this folder read them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from stackcli.analysis.study_data import Frames
from stackcli.config import grid

STEPS = (0, 1, 4, 16, 64, 100)
GUESS = math.log(4)  # loss of guessing one of four equally frequent classes
HEALTHY = {"gradient": 3.0, "rank": 0.2, "focus": 0.9, "update": 3e-3, "starved": 0.3}
FLAT = (1.4, 1.39, 1.38, 1.37, 1.37)  # the losses of a run that learns nothing
Looks = Mapping[str, float | Sequence[float]]


def run(
    losses: Sequence[float] = (1.4, 0.5, 0.2, 0.1, 0.1),
    *,
    seed: int = 0,
    point: str = "",
    gap: float = 0.0,
    diverged: int | None = None,
    settings: Mapping[str, Any] | None = None,
    **looks: float | Sequence[float],
) -> dict[str, Any]:
    """A run of 100 steps with two layers of two heads. `looks`: a number of every look, or one number for each."""
    row = {"run": f"{point}/{seed}", "arm": "", "point": point, "seed": seed, "depth": 2, "data": "majority"}
    row |= {"attention": "full", "causal": False, "flops_len": 8, "step_end": 100, "diverged_step": diverged}
    row |= {"status": "done" if diverged is None else "diverged", "gap_end": gap, "train_loss": losses[-1]}
    row |= {"train_loss_end": losses[-1], "val_loss_end": losses[-1] + gap, "val_loss": losses[-1] + gap}
    row |= dict(settings or {})
    head = {key: row[key] for key in ("run", "point", "seed")}
    curve = [{**head, "step": 100 * i // (len(losses) - 1 or 1), "train_loss": loss} for i, loss in enumerate(losses)]
    layers = [line for i, step in enumerate(STEPS) for line in look(head, step, i, {**HEALTHY, **looks})]
    return {"row": row, "curve": curve, "layers": layers}


def look(head: Mapping[str, Any], step: int, i: int, numbers: Looks) -> list[dict[str, Any]]:
    """The rows of one look with these numbers; the rank and the heads of layer 1 are those of a healthy layer."""
    at = {key: value if isinstance(value, float | int) else value[i] for key, value in numbers.items()}
    even = at.get("even", math.log(8))
    out: list[dict[str, Any]] = []
    for layer in (1, 2):
        first = layer == 1
        block = {"g4": 7.0 * at["gradient"] if first else 7.0, "rank": 0.5 if first else at["rank"]}
        out.append({**head, "step": step, "layer": layer, "tensor": "block", **block})
        # the mean over the heads counts: one head may be sharp
        heads = (0.9, 0.9) if first else (0.0, 2 * at["focus"])
        out += [
            {**head, "step": step, "layer": layer, "tensor": f"head{h}", "entropy": even * share, "even": even}
            for h, share in enumerate(heads)
        ]
        # the layer with the largest ratio counts
        starved = {"ratio_qv": at["starved"] if first else at["starved"] / 100}
        moved = (at["update"] / 10, at["update"], math.inf if step == 1 else 10 * at["update"])
        out += [
            {**head, "step": step, "layer": layer, "tensor": name, "update": value if step else None}
            | (starved if name == "q" else {})
            for name, value in zip(("q", "v", "ff2"), moved, strict=True)
        ]
    return out


def study(*runs: Mapping[str, Any], entropy: float | None = None, shares: Sequence[float] = (0.25,) * 4) -> Frames:
    """A study of these runs. `shares`: the class shares of the training part, `entropy`: the known lowest loss."""
    train = {f"x{i}": share for i, share in enumerate(shares)}
    facts: dict[str, object] = {"shares": {"train": train}, "entropy": entropy}
    return Frames(
        study="study",
        command="ablate-depth",
        axes=(),
        runs=pd.DataFrame([r["row"] for r in runs]),
        curve=pd.DataFrame([line for r in runs for line in r["curve"]]),
        layers=pd.DataFrame([line for r in runs for line in r["layers"]]),
        facts={"majority": facts},
    )


SIZES = {"train": 700, "val": 90, "test": 150}
FACTS: dict[str, dict[str, object]] = {"subjects": {"majority_acc": 0.33, "tfidf_acc": 0.81, "sizes": SIZES}}


def depth_study(axes: tuple[str, ...] = ("depth",), residuals: tuple[str, ...] = ("pre",), diverged: int = 0) -> Frames:
    """Five depths with three seeds each, deeper ones more accurate; the last `diverged` runs diverged."""
    draw, rows = np.random.default_rng(0), []
    for residual in residuals:
        for depth in (1, 2, 4, 8, 16):
            for seed in range(3):
                rows.append(
                    {
                        "run": f"{residual}{depth}{seed}",
                        "arm": "",
                        "point": f"depth={depth}",
                        "status": "done",
                        "depth": depth,
                        "residual": residual,
                        "pe": "learned",
                        "data": "subjects",
                        "seed": seed,
                        "params": 1e5 * depth,
                        "test_acc": 0.7 + 0.01 * depth + draw.normal(0, 0.002),
                        "train_loss_end": 0.05,
                        "val_loss_end": 0.9,
                        "gap_end": 0.8 + 0.05 * depth + draw.normal(0, 0.01),
                        "gap_best": 0.5 + draw.normal(0, 0.1),
                        "grad_ratio_init": 1 + depth / 4,
                        "free_ratio_init": 1 + depth / 3,
                        "step_ms": 8.0 * depth,
                    }
                )
    runs = pd.DataFrame(rows)
    if diverged:
        runs.loc[runs.index[-diverged:], "status"] = "diverged"
        runs.loc[runs.index[-diverged:], "test_acc"] = 99.0
    empty = pd.DataFrame()
    return Frames(study="s", command="sweep", axes=axes, runs=runs, curve=empty, layers=empty, facts=FACTS)


ACC = {"learned": 0.80, "none": 0.70, "rope": 0.82}


def encoding_study(entropy: float | None = 1.5, seeds: int = 5) -> Frames:
    """Three encodings on two data sets; only the second is tested at other lengths and has a known entropy."""
    draw, rows = np.random.default_rng(0), []
    for data in ("subjects", "markov"):
        for pe, acc in ACC.items():
            for seed in range(seeds):
                score = acc + draw.normal(0, 0.01)
                row: dict[str, Any] = {"run": f"{data}{pe}{seed}", "arm": "", "status": "done"}
                row["point"] = f"pe={pe} data={data}"
                row |= {"pe": pe, "data": data, "depth": 2, "seed": seed, "test_acc": score, "gap_end": 0.1}
                if data == "markov":
                    lengths = [(n, 1.5 + n / 100 + seed / 1000, score, 1.5 - n / 1000) for n in (16, 32)]
                    lengths += [(64, math.nan, math.nan, 1.5)]
                    row |= {"by_length": lengths, "test_excess": 1 - score}
                else:
                    row |= {"test_acc_shuffled": score - 0.1, "test_acc_reversed": score - 0.2}
                rows.append(row)
    facts = {"subjects": FACTS["subjects"], "markov": {**FACTS["subjects"], "entropy": entropy, "tfidf_acc": None}}
    empty = pd.DataFrame()
    return Frames(
        study="s", command="compare-pe", axes=("pe", "data"), runs=pd.DataFrame(rows), curve=empty, layers=empty,
        facts=facts,
    )  # fmt: skip


ITEMS = 150  # of the test part


def answered(study: Frames, bag: float = 0.81, *, alike: bool = True) -> Frames:
    """The study with the answers to each test item: every run answers the first items. With `alike` the bag of words
    answers the first items too, else random ones."""
    runs = study.runs.copy()
    runs["test_right"] = [("1" * round(acc * ITEMS)).ljust(ITEMS, "0")[:ITEMS] for acc in runs["test_acc"]]
    items = np.arange(ITEMS) if alike else np.random.default_rng(0).permutation(ITEMS)
    right = "".join("01"[int(i) < round(bag * ITEMS)] for i in items)
    facts: dict[str, dict[str, object]] = {"subjects": {**FACTS["subjects"], "tfidf_acc": bag, "tfidf_right": right}}
    return replace(study, runs=runs, facts=facts)


@cache
def typed(*words: str) -> Mapping[str, Any]:
    """The settings of a run as a study stores them, without the seed."""
    flat = grid.parse_grid([*words, "seeds=1"]).configs[0].flat()
    return {key: value for key, value in flat.items() if key != "seed"}
