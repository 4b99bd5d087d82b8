"""DataFrames -> what went wrong in each run, as numbers beside their thresholds. Never PyTorch.

What counts as learnt. Guessing by class frequencies costs the entropy of the training labels; the lowest loss is that
of the data where it is known, else 0. Of a train loss, `learnt` is the share of the way from guessing down to what can
be reached: the train loss at the chosen weights of the point with the lowest mean validation loss on the same data, so
that labels that are noise are held against nobody; at most half-way where no point of the study has learnt. A run has
learnt while `learnt` is `HALF` or more, and is stuck where, with `EARLY` of its steps behind it, it has not.

When a number counts. A low rank or a sharp attention in a stack that learns does no harm and is no finding: tokens that
are to be pooled may become alike, and a head that has found its token looks nowhere else. So the gradient, the rank and
the attention count in the looks that precede an evaluation at which the run was stuck, and before the loss was no
longer finite.

The gradient is G4, at the blocks' outputs: where nothing normalises, G3 of the weights stays level while it vanishes or
explodes, as what the gradient gains on its way to the input the activations gain on theirs to the output.

Each threshold lies between what healthy and affected stacks of our own showed (tests/constructed.py builds them; ten
seeds, of which five were looked at only once the thresholds stood): the extremes on either side stand beside it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stackcli.analysis.study_data import Frames

HALF = 0.5  # of what can be learnt; affected runs 0.44 and less, healthy ones 0.92 to 1 at the end
EARLY = 0.25  # of the steps
VANISHES = 1e-2  # G4, block 1 over block L; affected 2e-9 to 2.6e-3, healthy 0.1 to 40
EXPLODES = 1e2  # the same; affected 1e4 to 1.5e5
COLLAPSED = 5e-3  # rank residual of the last block; affected 5e-8 to 6e-4, healthy 0.026 to 0.95
SHARP = 0.1  # entropy of a layer's attention over that of even attention; affected 0.0 to 0.005, healthy 0.16 to 1
STARVED = 5e-3  # gradient of Q over that of V, the highest of all layers; affected 0 to 3e-3, healthy 0.02 to 0.15
SLOW = 1e-3  # G5, update over weight, the highest of all looks: the rule of thumb; affected 6e-5, healthy 2e-3 to 4e-2
FAST = 5e-2  # the same; affected 0.12 to 2
GAP = 0.25  # overfitting gap at the end, in units of what guessing costs; affected 0.9 to 2.4, healthy 0.0 to 0.14


LOOKS = ["step", "gradient", "rank", "focus", "starved", "update"]


class Sign(NamedTuple):
    """A number beyond its threshold, and the step at which it was worst."""

    value: float
    threshold: float
    step: float = math.nan


class Run(NamedTuple):
    """A finished run. `curve`: its evaluations with `learnt`; `looks`: a row a look, in order, with `step`, `gradient`
    (G4, block 1 over block L), `rank` (residual of the last block), `focus` (lowest entropy of a layer's attention over
    that of even attention), `starved` (gradient of Q over that of V, the highest of all layers), `update` (median G5 of
    all linear maps) and `counts`: whether the run was stuck then.
    `guess`: what guessing costs, `scale`: the same above the lowest loss, nats; NaN where it is not known."""

    row: Mapping[str, Any]
    curve: pd.DataFrame
    looks: pd.DataFrame
    guess: float
    scale: float

    @property
    def diverged(self) -> bool:
        return bool(self.row["status"] == "diverged")

    @property
    def learnt(self) -> bool:
        """Whether it had at its last evaluation, or this is not known; never, where the loss was no longer finite."""
        return not self.diverged and (self.curve.empty or not float(self.curve["learnt"].iloc[-1]) < HALF)


def detect_findings(run: Run) -> dict[str, Sign]:
    """Finding -> the sign of it, without what another one explains: a learning rate that is too high explains all that
    was well before the first step, an exploding gradient the alignment of tokens and the saturation of attention,
    any of these, and divergence, that queries and keys get no gradient, and any of all that the training loss is
    high."""
    found = {name: sign for name, test in TESTS.items() if (sign := test(run)) is not None}
    if "undertuned learning rate" in found and found["undertuned learning rate"].threshold == FAST:
        first = run._replace(looks=run.looks[run.looks["step"] == 0].assign(counts=True))
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


# ---- the tests, gravest first


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
    """Too high: weights were once remade by the twentieth part in a step, and the run was stuck. Too low: they never
    moved by a thousandth, and it has not learnt at the end."""
    moved = run.looks["update"].dropna()
    if moved.empty:
        return None
    at = moved.idxmax()
    peak, step = float(moved[at]), float(run.looks["step"][at])
    if peak >= FAST:
        return (
            Sign(peak, FAST, step)
            if run.diverged or len(stuck_evaluations(run.curve, planned_steps(run.row, run.curve)))
            else None
        )
    return Sign(peak, SLOW, step) if peak < SLOW and not (run.learnt or run.diverged) else None


def detect_underfitting(run: Run) -> Sign | None:
    if run.diverged or run.learnt:
        return None
    return Sign(float(run.curve["learnt"].iloc[-1]), HALF, float(run.curve["step"].iloc[-1]))


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
    """The extreme of the looks that count, where it lies beyond the threshold."""
    values = run.looks.loc[run.looks["counts"], measure].dropna()
    if values.empty:
        return None
    at = values.idxmax() if highest else values.idxmin()
    value = float(values[at])
    beyond = value > threshold if highest else value < threshold
    return Sign(value, threshold, float(run.looks["step"][at])) if beyond else None


# ---- the numbers of a run


def completed_runs(frames: Frames) -> Iterator[Run]:
    """Every run that is done or diverged, in the order of the study."""
    whole = frames.runs[frames.runs["status"].isin(["done", "diverged"])] if len(frames.runs) else frames.runs
    lowest = learnt_losses(frames) | frames.known.get("reached", {})
    curves = dict(list(unique_rows(frames.curve, "step").groupby("run"))) if len(frames.curve) else {}
    seen = dict(list(_looks(unique_rows(frames.layers, "step", "layer", "tensor")).groupby("run")))
    for (_, row), key in zip(whole.iterrows(), whole[_data(whole)] if len(whole) else (), strict=True):
        guess, floor = loss_bounds(frames, row)
        curve = curves.get(row["run"], pd.DataFrame(columns=["step", "train_loss"])).sort_values("step")
        reach = min(max(lowest[str(key)], floor), (guess + floor) / 2)
        curve = curve.assign(learnt=(guess - curve["train_loss"].astype(float)) / (guess - reach))
        looks = seen.get(row["run"], pd.DataFrame(columns=LOOKS, dtype=float))
        looks = _counted(looks, curve, planned_steps(row, curve), bool(row["status"] == "diverged"))
        yield Run(row.to_dict(), curve, looks, guess, guess - floor)


def unique_rows(rows: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """The rows of each run once: it may stand at two points of a study, affected at one and a remedy at the other."""
    return rows.drop_duplicates(["run", *keys]) if len(rows) else rows


def _data(runs: pd.DataFrame) -> str:
    return "facts" if "facts" in runs else "data"


def loss_bounds(frames: Frames, row: pd.Series) -> tuple[float, float]:
    """What guessing by class frequencies costs (NaN where they are not known), and the lowest loss; nats."""
    facts: Mapping[str, Any] = frames.facts.get(str(row[_data(frames.runs)]), {})
    shares = [share for share in facts.get("shares", {}).get("train", {}).values() if share > 0]
    return -sum(p * math.log(p) for p in shares) if shares else math.nan, float(facts.get("entropy") or 0.0)


def learnt_losses(frames: Frames) -> dict[str, float]:
    """Of each data set the train loss that counts as learnt: that of `_reached`."""
    runs = frames.runs[frames.runs["status"].isin(["done", "diverged"])] if len(frames.runs) else frames.runs
    return {str(key): _reached(group) for key, group in runs.groupby(_data(runs))} if len(runs) else {}


def _reached(group: pd.DataFrame) -> float:
    """Train loss at the chosen weights of the point with the lowest mean validation loss; infinite where there is
    none."""
    done = group[group["status"] == "done"]
    if done.empty:
        return math.inf
    means = done.assign(val=done["val_loss"].astype(float), train=done["train_loss"].astype(float))
    means = means.groupby("point", sort=False)[["val", "train"]].mean()
    return float(means.loc[means["val"].idxmin(), "train"])


def _looks(layers: pd.DataFrame) -> pd.DataFrame:
    """Of every run and step the numbers of a look. Where a query may see fewer than two tokens on average, attention
    has nothing to choose from, and its focus is not known; nor of runs from before its even entropy was stored."""
    if layers.empty:
        return pd.DataFrame(columns=["run", *LOOKS], dtype=float)
    even = layers["even"].astype(float) if "even" in layers else pd.Series(math.nan, index=layers.index)
    layers = layers.assign(
        focus=layers["entropy"].astype(float) / even.where(even >= math.log(2)),
        ratio=layers["ratio_qv"].astype(float) if "ratio_qv" in layers else math.nan,
    )
    at = ["run", "step"]
    blocks = layers[layers["tensor"] == "block"]
    first = blocks[blocks["layer"] == 1].set_index(at)
    end = blocks[blocks["layer"] == blocks.groupby("run")["layer"].transform("max")].set_index(at)
    heads = layers[layers["tensor"].str.startswith("head")].groupby([*at, "layer"])["focus"].mean()
    moved = layers.assign(update=layers["update"].astype(float).replace([np.inf, -np.inf], np.nan))  # from weights of 0
    out = {
        "gradient": first["g4"].astype(float) / end["g4"].astype(float).where(end["g4"] > 0),
        "rank": end["rank"].astype(float),
        "focus": heads.groupby(at).min(),
        "starved": layers.groupby(at)["ratio"].max(),
        "update": moved.groupby(at)["update"].median(),
    }
    return pd.DataFrame(out).rename_axis(at).reset_index()


def planned_steps(row: Mapping[str, Any], curve: pd.DataFrame) -> float:
    """The steps that the run was to take: it may have stopped early, or broken."""
    if row.get("steps"):
        return float(row["steps"])
    end = curve[curve["epoch"] > 0].tail(1) if "epoch" in curve else curve.head(0)
    if len(end) and row.get("epochs"):
        return float(end["step"].iloc[0] / end["epoch"].iloc[0] * row["epochs"])
    return float(curve["step"].max()) if len(curve) else 0.0


def stuck_evaluations(curve: pd.DataFrame, steps: float) -> pd.DataFrame:
    """The evaluations at which a run of so many steps had not learnt, though there had been time to."""
    return curve[(curve["step"] > 0) & (curve["step"] >= EARLY * steps) & (curve["learnt"] < HALF)]


def _counted(looks: pd.DataFrame, curve: pd.DataFrame, length: float, broken: bool) -> pd.DataFrame:
    """Marks the last look before each evaluation at which the run was stuck; the last of all where the loss was no
    longer finite."""
    steps = looks["step"].to_numpy()
    still = stuck_evaluations(curve, length)["step"]
    at = set((np.searchsorted(steps, still, side="right") - 1).tolist()) if len(steps) else set()
    at |= {len(steps) - 1} if broken and len(steps) else set()
    return looks.assign(counts=[i in at for i in range(len(steps))])
