"""Synthetic studies: frames with the columns, the types and the troubles of real ones, from a formula and a seed."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stackcli.frames import Frames

STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 200)
FACTS = {"majority_acc": 0.25, "tfidf_acc": 0.88, "text": True}


def study(
    axes: Mapping[str, Sequence[Any]] | None = None,
    *,
    seeds: int = 3,
    diverged: Sequence[tuple[str, int]] = (),
    status: str = "diverged",
    classes: Sequence[str] = ("world", "sport", "business", "science"),
    max_len: int = 24,
    dim: int = 16,
    ff: float = 4,
    arm: str = "",
    **settings: Any,
) -> Frames:
    """Every combination of the axes' values with every seed; `diverged` names (point, seed) pairs that broke."""
    axes = axes or {}
    heads: dict[str, list[Any]] = {"runs": [], "curve": [], "layers": [], "position": []}
    for values in itertools.product(*axes.values()):
        swept = dict(zip(axes, values, strict=True))
        point = " ".join(f"{key}={value}" for key, value in swept.items())
        point = arm or (str(swept["arm"]) if tuple(axes) == ("arm",) else point)
        for seed in range(seeds):
            head = {"run": f"{point or 'one'}/{seed}", "arm": arm, "point": point}
            head |= {"seed": seed, **swept}
            config = {"depth": 2, "pe": "learned", "residual": "pre", "data": "subjects", "threads": 1, "batch": 32}
            config |= {"dim": dim, "ff": ff, **settings, **swept}
            broken = status if (point, seed) in diverged else "done"
            _one(heads, head, config, broken, classes, max_len)
    frames = {name: pd.DataFrame(rows) for name, rows in heads.items() if name != "position"}
    position = pd.concat(heads["position"], ignore_index=True) if heads["position"] else pd.DataFrame()
    machine = {"processor": "AMD EPYC 7B13 64-Core Processor", "threads": 1, "load": 0.1, "allocator": "glibc"}
    names = frames["runs"]["data"].unique()
    return Frames(
        study="study",
        command="sweep" if axes else "train",
        axes=tuple(axes),
        position=position,
        facts={str(name): dict(FACTS) for name in names},
        machine=machine,
        **frames,
    )


def empty() -> Frames:
    """A study without a single run."""
    none = pd.DataFrame()
    return Frames(study="", command="sweep", axes=("depth",), runs=none, curve=none, layers=none, position=none)


def _one(
    out: dict[str, list[Any]],
    head: dict[str, Any],
    config: dict[str, Any],
    status: str,
    classes: Sequence[str],
    max_len: int,
) -> None:
    depth, seed = config["depth"], head["seed"]
    draw = np.random.default_rng([depth, seed, sum(map(ord, head["point"]))])
    out["runs"].append({**head, **config, "status": status, **_result(draw, depth, status, classes)})
    steps = [step for step in STEPS if status == "done" or step < 64] if status in ("done", "diverged") else []
    for step in range(0, (max(steps) if steps else -1) + 1, 10):
        val = 0.45 + 0.9 * np.exp(-step / 30) + 0.0012 * depth * max(0, step - 90) + draw.normal(0, 0.015)
        train = 0.05 + 1.3 * np.exp(-step / 40) + draw.normal(0, 0.01)
        blow = (step / 40) ** 6 if status == "diverged" else 0.0
        out["curve"].append(
            {**head, "step": step, "epoch": step / 25, "train_loss": train + blow, "val_loss": val + blow}
        )
    for step, layer in itertools.product(steps, range(1, depth + 1)):
        out["layers"] += _layer(draw, {**head, "step": step, "layer": layer}, depth, config)
    if status == "done":
        out["position"] += _tables(draw, head, config, max_len)


def _result(draw: np.random.Generator, depth: int, status: str, classes: Sequence[str]) -> dict[str, Any]:
    k = len(classes)
    time = 1.5 + 2.1 * depth
    out: dict[str, Any] = {"kernel": "fused", "seconds": 2.0 * depth, "classes": tuple(classes)}
    out |= {"forward_ms": 0.3 * time, "backward_ms": 0.55 * time, "update_ms": 0.15 * time, "step_ms": 1.03 * time}
    out |= {"step_ms_low": 0.96 * time, "step_ms_high": 1.15 * time}
    if status != "done":
        numbers = ("test_acc", "val_acc", "gap_end", "gap_best", "step_best")
        step = 60 if status == "diverged" else None
        return {**out, "diverged_step": step, "acc_by_class": (), "confusion": (), **dict.fromkeys(numbers, np.nan)}
    share = min(0.97, 0.78 + 0.05 * np.log2(depth) - 0.004 * depth) + draw.normal(0, 0.008)
    counts = draw.multinomial(
        60, np.full((k, k), (1 - share) / max(k - 1, 1)) + np.eye(k) * (share - (1 - share) / max(k - 1, 1))
    )
    return {
        **out,
        "diverged_step": np.nan,
        "test_acc": float(np.trace(counts) / counts.sum()),
        "val_acc": share,
        "val_loss": 0.5 - 0.1 * share,
        "gap_end": 0.2 + 0.03 * depth + draw.normal(0, 0.02),
        "gap_best": 0.1 + draw.normal(0, 0.015),
        "step_best": 90,
        "acc_by_class": tuple(np.diag(counts) / counts.sum(1)),
        "confusion": tuple(map(tuple, counts.tolist())),
    }


def _layer(draw: np.random.Generator, head: dict[str, Any], depth: int, config: dict[str, Any]) -> list[dict[str, Any]]:
    step, layer = head["step"], head["layer"]
    fall = 0.5 * depth**-0.3 if config["residual"] == "pre" else 0.5 * 2.0 ** (layer - depth)
    g3 = fall * (1 + 0.002 * step) * np.exp(draw.normal(0, 0.1))
    maps = ("q", "v", "o", "ff1", "ff2") if config["ff"] else ("q", "v", "o")
    rows = [{**head, "tensor": name, "g1": g3 * (0.2 + 0.6 * layer / depth), "g3": g3} for name in maps]
    rows.append(
        {
            **head,
            "tensor": "block",
            "cosine": 1 - 0.9 ** (layer + depth / 9),
            "rank": 0.9 * 0.8 ** (layer + depth / 9 + step / 100),
        }
    )
    rows += [
        {**head, "tensor": f"head{h}", "entropy": 3.0 - 0.05 * layer - 0.02 * depth - 0.1 * h - 0.002 * step}
        for h in range(2)
    ]
    return rows


def _tables(
    draw: np.random.Generator, head: dict[str, Any], config: dict[str, Any], max_len: int
) -> list[pd.DataFrame]:
    if config["pe"] == "learned":
        places, tensors = np.arange(max_len), ["table"]
    elif config["pe"] == "relative":
        places = np.arange(-4, 5)
        tensors = [f"{kind} {layer}" for layer in range(1, config["depth"] + 1) for kind in ("keys", "values")]
    else:
        return []
    out = []
    for tensor in tensors:
        table = np.cumsum(draw.normal(0, 0.05, (len(places), config["dim"])), axis=0)
        at, dimension = (grid.ravel() for grid in np.meshgrid(places, np.arange(config["dim"]), indexing="ij"))
        body = {"tensor": tensor, "position": at, "dimension": dimension, "value": table.ravel()}
        out.append(pd.DataFrame({**head, **body}))
    return out
