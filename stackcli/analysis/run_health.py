"""Finds what went wrong in each run, as numbers beside their thresholds. Imports no PyTorch.

What counts as learnt: guessing by class frequencies has the entropy of the training labels as its loss. The lowest loss
is the entropy of the data if it is known, else 0. `learnt` says how far a train loss has come from guessing to what can
be reached, as a share. What can be reached is the train loss, at the chosen weights, of the point with the lowest mean
validation loss on the same data, so that no run has to fit noisy labels; if no point of the study learns, it is
half-way from guessing to the lowest loss. A run has learnt while `learnt` is at least `HALF`, and is stuck if it has
not after a share `EARLY` of its steps.

When a number counts: a low rank or sharp attention in a stack that learns does no harm and is not a finding. Tokens
that will be pooled may become alike, and a head that has found its token attends to nothing else. So gradient, rank and
attention count only at the last look before an evaluation at which the run was stuck, or before the loss became NaN or
infinite. A look is a step at which the layers were measured.

The gradient is G4, taken at the blocks' outputs. Without normalisation G3 of the weights can stay constant while the
gradient vanishes or explodes: towards the input it changes by the factor by which the activations change towards the
output.

Each threshold lies between the values of healthy and of affected stacks (built in tests/constructed.py; ten seeds, five
of which were run only after the thresholds were set). The extremes on either side are given beside it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stackcli.analysis.study_data import Frames

HALF = 0.5  # share of what can be learnt; affected runs 0.44 and less, healthy ones 0.92 to 1 at the end
EARLY = 0.25  # share of the steps
VANISHES = 1e-2  # G4, block 1 over block L; affected 2e-9 to 2.6e-3, healthy 0.1 to 40
EXPLODES = 1e2  # G4, block 1 over block L; affected 1e4 to 1.5e5
COLLAPSED = 5e-3  # rank residual of the last block; affected 5e-8 to 6e-4, healthy 0.026 to 0.95
SHARP = 0.1  # entropy of a layer's attention over that of even attention; affected 0.0 to 0.005, healthy 0.16 to 1
STARVED = 5e-3  # gradient of Q over that of V, the highest of all layers; affected 0 to 3e-3, healthy 0.02 to 0.15
SLOW = 1e-3  # G5, update over weight, the highest of all looks: a rule of thumb; affected 6e-5, healthy 2e-3 to 4e-2
FAST = 5e-2  # G5, the highest of all looks; affected 0.12 to 2
GAP = 0.25  # overfitting gap at the end over (loss of guessing - lowest loss); affected 0.9 to 2.4, healthy 0.0 to 0.14


CURVE = ("step", "epoch", "train_loss")
LOOKS = ("step", "gradient", "rank", "focus", "starved", "update")
READ = ("run", "step", "layer", "tensor", "entropy", "even", "ratio_qv", "g4", "rank", "update")  # of the layers
Columns = Mapping[str, NDArray[Any]]  # name -> a number for each row, in the order of the steps


class Sign(NamedTuple):
    """A number beyond its threshold, and the step at which it was furthest beyond."""

    value: float
    threshold: float
    step: float = math.nan


class Run(NamedTuple):
    """A run that is done or diverged.

    `curve`: its evaluations, with `step`, `epoch`, `train_loss` and `learnt`. `looks`: a number for each look: `step`,
    `gradient` (G4, block 1 over block L), `rank` (rank residual of the last block), `focus` (lowest entropy of a
    layer's attention over that of even attention), `starved` (gradient of Q over that of V, the highest of all layers),
    `update` (median G5 of all linear maps) and `counts` (whether the look counts). `guess`: the loss of guessing,
    `scale`: that above the lowest loss; nats, NaN where unknown."""

    row: Mapping[str, Any]
    curve: Columns
    looks: Columns
    guess: float
    scale: float

    @property
    def diverged(self) -> bool:
        return bool(self.row["status"] == "diverged")

    @property
    def learnt(self) -> bool:
        """Whether the run had learnt at its last evaluation; True if that is unknown, False if it diverged."""
        learnt = self.curve["learnt"]
        return not self.diverged and (not len(learnt) or not float(learnt[-1]) < HALF)


def detect_findings(run: Run) -> dict[str, Sign]:
    """Returns the sign of each finding, without findings that another one explains.

    A learning rate that is too high explains everything that was fine before the first step. An exploding gradient
    explains rank collapse and attention collapse. Divergence and every other fault of gradient, rank or attention
    explain starved queries and keys. Any finding explains underfitting."""
    found = {name: sign for name, test in TESTS.items() if (sign := test(run)) is not None}
    if "undertuned learning rate" in found and found["undertuned learning rate"].threshold == FAST:
        start = run.looks["step"] == 0
        first = run._replace(looks={**{k: v[start] for k, v in run.looks.items()}, "counts": start[start]})
        found = {name: sign for name, sign in found.items() if name not in INNER or INNER[name](first) is not None}
    elif any(name in found for name in INNER):
        found.pop("undertuned learning rate", None)  # weights that get no gradient move little at any rate
    if "exploding gradient" in found:
        found = {k: v for k, v in found.items() if k not in ("rank collapse", "attention collapse")}
    if "starved queries and keys" in found and ("divergence" in found or len(INNER.keys() & found) > 1):
        found.pop("starved queries and keys")
    if len(found) > 1:
        found.pop("underfitting", None)
    return found


# ---- the tests, most severe first


def detect_divergence(run: Run) -> Sign | None:
    step = run.row["diverged_step"]
    return Sign(float(step), math.nan, float(step)) if run.diverged else None


def detect_exploding_gradient(run: Run) -> Sign | None:
    return _worst(run, "gradient", EXPLODES, highest=True)


def detect_vanishing_gradient(run: Run) -> Sign | None:
    return _worst(run, "gradient", VANISHES)


def detect_rank_collapse(run: Run) -> Sign | None:
    return _worst(run, "rank", COLLAPSED)


def detect_entropy_collapse(run: Run) -> Sign | None:
    return _worst(run, "focus", SHARP)


def detect_starved_queries(run: Run) -> Sign | None:
    return _worst(run, "starved", STARVED)


def detect_wrong_learning_rate(run: Run) -> Sign | None:
    """Returns a sign if the rate is too high (a step changed the weights by a share of `FAST` or more, and the run was
    stuck) or too low (no step changed them by `SLOW`, and the run has not learnt at the end)."""
    moved = run.looks["update"]
    if np.isnan(moved).all():
        return None
    at = int(np.nanargmax(moved))
    peak, step = float(moved[at]), float(run.looks["step"][at])
    if peak >= FAST:
        stuck = len(stuck_evaluations(run.curve, planned_steps(run.row, run.curve))) > 0
        return Sign(peak, FAST, step) if run.diverged or stuck else None
    return Sign(peak, SLOW, step) if peak < SLOW and not (run.learnt or run.diverged) else None


def detect_underfitting(run: Run) -> Sign | None:
    if run.diverged or run.learnt:
        return None
    return Sign(float(run.curve["learnt"][-1]), HALF, float(run.curve["step"][-1]))


def detect_overfitting(run: Run) -> Sign | None:
    if not run.learnt:
        return None
    gap = float(run.row["gap_end"])
    return Sign(gap, GAP * run.scale, float(run.row["step_end"])) if gap >= GAP * run.scale else None


INNER: dict[str, Callable[[Run], Sign | None]] = {
    "exploding gradient": detect_exploding_gradient,
    "vanishing gradient": detect_vanishing_gradient,
    "rank collapse": detect_rank_collapse,
    "attention collapse": detect_entropy_collapse,
    "starved queries and keys": detect_starved_queries,
}
TESTS: dict[str, Callable[[Run], Sign | None]] = {
    "divergence": detect_divergence,
    **INNER,
    "undertuned learning rate": detect_wrong_learning_rate,
    "underfitting": detect_underfitting,
    "overfitting": detect_overfitting,
}


def _worst(run: Run, measure: str, threshold: float, *, highest: bool = False) -> Sign | None:
    """Returns the extreme over the looks that count if it lies beyond the threshold."""
    values = np.where(run.looks["counts"], run.looks[measure], math.nan)
    if np.isnan(values).all():
        return None
    at = int(np.nanargmax(values) if highest else np.nanargmin(values))
    value = float(values[at])
    beyond = value > threshold if highest else value < threshold
    return Sign(value, threshold, float(run.looks["step"][at])) if beyond else None


# ---- the numbers of a run


def completed_runs(frames: Frames) -> Iterator[Run]:
    """Yields every run that is done or diverged, in the order of the study."""
    ended = frames.runs[frames.runs["status"].isin(["done", "diverged"])] if len(frames.runs) else frames.runs
    lowest = learnt_losses(frames) | frames.known.get("reached", {})
    curves = _split(_unique_rows(frames, frames.curve.filter(["run", *CURVE]), "step"), CURVE)
    measured = _split(_looks(_unique_rows(frames, frames.layers.filter(READ), "step", "layer", "tensor")), LOOKS)
    bounds: dict[str, tuple[float, float]] = {}
    for row in ended.to_dict("records"):
        key = str(row[_data(ended)])
        if key not in bounds:
            bounds[key] = loss_bounds(frames, row)
        guess, floor = bounds[key]
        curve = curves.get(row["run"], {name: np.empty(0) for name in CURVE})
        reach = min(max(lowest[key], floor), (guess + floor) / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            curve = {**curve, "learnt": (guess - curve["train_loss"]) / np.float64(guess - reach)}
        looks = measured.get(row["run"], {name: np.empty(0) for name in LOOKS})
        counts = _counting_looks(looks, curve, planned_steps(row, curve), bool(row["status"] == "diverged"))
        yield Run(row, curve, {**looks, "counts": counts}, guess, guess - floor)


def _split(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, Columns]:
    """Returns the columns of each run, in the order of the steps: thousands of frames would take minutes."""
    if not len(rows):
        return {}
    codes, runs = pd.factorize(rows["run"])
    order = np.lexsort((rows["step"].to_numpy(float), codes))
    columns = {name: rows[name].to_numpy(float)[order] for name in names if name in rows}
    ends = [*np.flatnonzero(np.diff(codes[order], prepend=-1)).tolist(), len(rows)]
    return {run: {k: v[a:b] for k, v in columns.items()} for run, (a, b) in zip(runs, pairwise(ends), strict=True)}


def _unique_rows(frames: Frames, rows: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """Returns the rows of each run once: a run can belong to two points of a study of remedies."""
    return rows if frames.runs["run"].is_unique else rows.drop_duplicates(["run", *keys])


def _data(runs: pd.DataFrame) -> str:
    return "facts" if "facts" in runs else "data"


def loss_bounds(frames: Frames, row: Mapping[str, Any] | pd.Series) -> tuple[float, float]:
    """Returns the loss of guessing by class frequencies (NaN if these are unknown) and the lowest loss, in nats."""
    facts: Mapping[str, Any] = frames.facts.get(str(row[_data(frames.runs)]), {})
    shares = [share for share in facts.get("shares", {}).get("train", {}).values() if share > 0]
    return -sum(p * math.log(p) for p in shares) if shares else math.nan, float(facts.get("entropy") or 0.0)


def learnt_losses(frames: Frames) -> dict[str, float]:
    """Returns for each data set the train loss that counts as learnt (see `_reached`)."""
    runs = frames.runs[frames.runs["status"].isin(["done", "diverged"])] if len(frames.runs) else frames.runs
    return {str(key): _reached(group) for key, group in runs.groupby(_data(runs))} if len(runs) else {}


def _reached(group: pd.DataFrame) -> float:
    """Returns the train loss, at the chosen weights, of the point with the lowest mean validation loss; infinite if no
    run is done."""
    done = group[group["status"] == "done"]
    if done.empty:
        return math.inf
    means = done.assign(val=done["val_loss"].astype(float), train=done["train_loss"].astype(float))
    means = means.groupby("point", sort=False)[["val", "train"]].mean()
    return float(means.loc[means["val"].idxmin(), "train"])


def _looks(layers: pd.DataFrame) -> pd.DataFrame:
    """Returns the numbers of every look, a row for each run and step.

    `focus` is NaN where a query sees fewer than two tokens on average, as attention then has no choice, and in old runs
    without the entropy of even attention."""
    if layers.empty:
        return pd.DataFrame(columns=["run", *LOOKS], dtype=float)
    codes, names = pd.factorize(layers["run"])  # numbers are grouped faster than texts
    even = layers["even"].astype(float) if "even" in layers else pd.Series(math.nan, index=layers.index)
    layers = layers.assign(
        run=codes,
        focus=layers["entropy"].astype(float) / even.where(even >= math.log(2)),
        ratio=layers["ratio_qv"].astype(float) if "ratio_qv" in layers else math.nan,
    )
    at = ["run", "step"]
    blocks = layers[layers["tensor"] == "block"]
    first = blocks[blocks["layer"] == 1].set_index(at)
    end = blocks[blocks["layer"] == blocks.groupby("run")["layer"].transform("max")].set_index(at)
    heads = layers[layers["tensor"].str.startswith("head")].groupby([*at, "layer"])["focus"].mean()
    # the relative update of weights that are zero is infinite
    moved = layers[at].assign(update=layers["update"].astype(float).replace([np.inf, -np.inf], np.nan))
    out = {
        "gradient": first["g4"].astype(float) / end["g4"].astype(float).where(end["g4"] > 0),
        "rank": end["rank"].astype(float),
        "focus": heads.groupby(at).min(),
        "starved": layers.groupby(at)["ratio"].max(),
        "update": moved.groupby(at)["update"].median(),
    }
    found = pd.DataFrame(out).rename_axis(at).reset_index()
    return found.assign(run=names.take(found["run"]))


def planned_steps(row: Mapping[str, Any], curve: Columns) -> float:
    """Returns the planned steps of a run, which may have stopped early or diverged."""
    if row.get("steps"):
        return float(row["steps"])
    later = np.flatnonzero(curve["epoch"] > 0) if "epoch" in curve else np.empty(0, dtype=int)
    if len(later) and row.get("epochs"):
        return float(curve["step"][later[-1]] / curve["epoch"][later[-1]] * row["epochs"])
    return float(curve["step"].max()) if len(curve["step"]) else 0.0


def stuck_evaluations(curve: Columns, steps: float) -> NDArray[Any]:
    """Returns the steps of the evaluations at which a run of `steps` steps was stuck."""
    step = curve["step"]
    return step[(step > 0) & (step >= EARLY * steps) & (curve["learnt"] < HALF)]


def _counting_looks(looks: Columns, curve: Columns, length: float, diverged: bool) -> NDArray[np.bool_]:
    """Whether each look counts: the last before each evaluation at which the run was stuck, and the last of a run that
    diverged."""
    counts = np.zeros(len(looks["step"]), dtype=bool)
    at = np.searchsorted(looks["step"], stuck_evaluations(curve, length), side="right") - 1
    if len(counts):
        counts[at[at >= 0]] = True  # -1 is before the first look
        counts[-1] |= diverged
    return counts
