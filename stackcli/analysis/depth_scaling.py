"""Says how gradients scale with depth before training, beside theory, and how deep a stack is expected to train.

`runs` is a frame with a row for each stack: the axes, `seed`, `status`, the settings by the name that a user types, and
the numbers of `initialisation.measure`. A scheme is a choice of every axis except depth.

An expectation is not a guarantee. Its criteria are numbers measured before training. Most bounds are wide; two were set
on 190 short runs of our own, after seeing their results: copying the previous token at width 32, and questions at width
64, at depth 2 to 48 with post-LN, pre-LN, DeepNorm and no skip, two initialisations, lr 3e-4 to 3e-3, most without
warm-up. A run counts as trained if its train loss fell below .9 of the entropy of the classes. The bounds classify 186
of these runs correctly, but only 63 of 80 runs of a task on which they were not set: 50 of 53 that trained, 13 of 27
that did not (experiments/probe-against-training). So a warning is more reliable than its absence.

* After the first step, the gradient at block 1 was at least .32 of that at the last block in stacks that trained well,
  and at most .33 in stacks that failed for no other reason, except one at .53 (post-LN at depth 8 on questions).
* Where each token has an answer, the rank residual of the tokens was at least .14 in stacks that trained well, and at
  most .08 in stacks that failed for no other reason; from .07 to .17, four stacks learnt half the task. Where a whole
  sequence has one answer, its tokens may coincide: without a skip, depth 4 learns questions at a rank residual of 2e-7.
  Then the rank residual of the sequences' vectors counts.
* The token cosine (.99 at depth 32 with pre-LN, which trains) and the change of the logits by the first step (as large
  with pre-LN as with post-LN) are no criteria, because they do not separate the two groups.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stackcli.analysis.study_comparisons import name_value
from stackcli.common.wording import format_setting

FIRST = 2  # slopes leave out stacks of a single block
SIZES = ("dim", "ff")  # a law assumes that these are the same at every depth
SLOPES = {"slope_plain": "grad_last", "slope_free": "free_last", "slope_update": "update"}
INITS = ("default", "xavier", "orthogonal")  # variance proportional to 1 / fan in, the same at every depth


class Law(NamedTuple):
    """Exponent of depth in G3 of the last block's last map, and the source of the law."""

    slope: float
    source: str


XIONG = "Xiong et al. 2020, thm. 1"
LAWS = {
    "post": Law(0.0, XIONG),
    "pre": Law(-0.5, XIONG),
    "deepnorm": Law(-0.5, "beta / alpha of Wang et al. 2022, fig. 2"),  # (8 N)^(-1/4) / (2 N)^(1/4)
}


# settings that decide the law
LAW_SETTINGS = ("norm", "init", "share_layers", "residual", "residual.alpha", "residual.beta")


def theory_of(settings: Mapping[str, Any]) -> Law | None:
    """Returns the law for a stack with these settings; None where theory has none.

    The laws hold for Xavier's initialisation, and so for others whose size does not change with depth."""
    plain = settings.get("norm") in ("layer", "rms") and settings.get("init") in INITS
    plain &= settings.get("share_layers") in (False, None)
    own = [settings.get(f"residual.{key}") for key in ("alpha", "beta")]
    if not plain or any(value == value and value for value in own):
        return None
    return LAWS.get(str(settings.get("residual")))


# ---- slopes


def schemes(runs: pd.DataFrame, axes: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yields each choice of every axis except depth, with its runs, in order of appearance."""
    others = [axis for axis in axes if axis != "depth"]
    if not others:
        yield {}, runs
        return
    for key, group in runs.groupby(others, sort=False, dropna=False):
        yield dict(zip(others, key, strict=True)), group


def slope(depths: Sequence[float], values: Sequence[float]) -> float:
    """Returns the exponent p of values ~ depth^p by least squares on both logarithms, over depths of at least FIRST;
    NaN with fewer than two such depths, or where a value is not positive."""
    x, y = np.asarray(depths, dtype=float), np.asarray(values, dtype=float)
    x, y = x[x >= FIRST], y[x >= FIRST]
    if len(set(x)) < 2 or not (np.isfinite(y) & (y > 0)).all():
        return math.nan
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def slopes(runs: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Returns a row for each scheme and seed: the axes except depth, `seed`, `slope_plain` (G1 of the last block's last
    map), `slope_free` (G3), `slope_update` (the first step), `theory` (of G3), `theory_source`, and `order` and
    `order_theory` of rank collapse in the shallowest stack."""
    out = []
    for key, group in schemes(runs[runs["status"] != "failed"], axes):
        for seed, rows in group.sort_values("depth").groupby("seed", sort=True):
            found = {head: slope(rows["depth"], rows[column]) for head, column in SLOPES.items()}
            first, known = rows.iloc[0], {theory_of(row) for row in rows.filter(LAW_SETTINGS).to_dict("records")}
            alike = len(known) == 1 and all(rows[size].nunique() == 1 for size in SIZES)
            theory = known.pop() if alike else None
            law = {"theory": theory.slope, "theory_source": theory.source} if theory else {}
            order = {name: first[name] for name in ("order", "order_theory")}
            out.append({**key, "seed": seed, **found, "theory": math.nan, "theory_source": "", **law, **order})
    return pd.DataFrame(out)


# ---- how deep


class Criterion(NamedTuple):
    """Holds where low <= the number of `column` <= high. `below` and `above` describe a number outside, with {} in its
    place; `source` names the source of the effect and of the bound."""

    column: str
    low: float
    high: float
    below: str
    above: str
    source: str


CALIBRATION = (
    "An expectation, not a guarantee: all numbers are measured before training. On 80 runs that were not used to set "
    "the bounds, 13 of 16 warnings were right, and 50 of the 64 stacks without a warning trained "
    "(experiments/probe-against-training)."
)
OWN = "bound from our own runs"
KEPT = 0.5  # cosine of a token's last vector with its first
CRITERIA = (
    Criterion("finite", 1, 1, "the loss, a gradient or the first step is not finite", "", ""),
    Criterion(
        "free_ratio_init",
        1e-2,
        1e2,
        "the gradient vanishes towards the input: G3 of block 1 is {} of that of the last block",
        "the gradient explodes towards the input: G3 of block 1 is {} times that of the last block",
        "bounds: two decades",
    ),
    Criterion(
        "apart",
        0.1,
        math.inf,
        "the classified items can hardly be distinguished: their rank residual is {}",
        "",
        f"Dong et al. 2021, Noci et al. 2022; {OWN}",
    ),
    Criterion(
        "entropy",
        0.05,
        math.inf,
        "attention collapses: its entropy falls to {} of that of even attention",
        "",
        "Zhai et al. 2023",
    ),
    Criterion(
        "step_ratio",
        0.3,
        math.inf,
        "the first step at lr={lr:g} is too large: after it the gradient at block 1 is {} of that at the last block",
        "",
        f"Wang et al. 2022, sec. 3; {OWN}",
    ),
)


BEFORE = (
    "the gradient vanishes towards the input before any step: after the first step, the gradient at block 1 is {} of "
    "that at the last block"
)
UNSEEN = Criterion("status", math.nan, math.nan, "a stack could not be measured", "", "")


class Fault(NamedTuple):
    """A criterion that fails at a point, the number furthest outside its bounds over seeds, and its description."""

    criterion: Criterion
    value: float
    words: str


class Expectation(NamedTuple):
    """How deep a scheme is expected to train: the `deepest` depth up to which every criterion holds in every seed
    (None: not even the first depth), the `first` depth at which one fails (None: none does), and its faults."""

    scheme: dict[str, Any]
    runs: pd.DataFrame
    deepest: int | None
    first: int | None
    faults: tuple[Fault, ...]


def faults(runs: pd.DataFrame) -> tuple[Fault, ...]:
    """Returns the criteria that fail at one point, over its seeds. A missing number fails no criterion."""
    out = []
    for criterion in CRITERIA:
        values = pd.to_numeric(runs[criterion.column]).to_numpy(dtype=float)
        values = values[~np.isnan(values)]
        for outside, worst, words in (
            (values < criterion.low, min, criterion.below),
            (values > criterion.high, max, criterion.above),
        ):
            if outside.any():
                value = float(worst(values))
                if criterion.column == "step_ratio" and _vanishes_before_training(runs, criterion.low):
                    words = BEFORE
                words = words.replace("{lr:g}", format_setting(float(runs["lr"].iloc[0])))
                out.append(Fault(criterion, value, words.replace("{}", format_brief(value))))
    return tuple(out)


def _vanishes_before_training(runs: pd.DataFrame, low: float) -> bool:
    """Whether the gradient vanishes towards the input before the first step."""
    before = pd.to_numeric(runs["back_ratio"]).dropna() if "back_ratio" in runs else pd.Series(dtype=float)
    return bool(len(before)) and float(before.median()) < low


def describe_lost_tokens(runs: pd.DataFrame, axes: Sequence[str]) -> str:
    """Names the schemes whose deepest stack keeps little of a token in its last vector; empty if there are none."""
    found = []
    for key, group in schemes(runs, axes):
        deep = group[group["depth"] == group["depth"].max()]
        kept = pd.to_numeric(deep["kept"]).mean() if "kept" in deep else math.nan
        if kept < KEPT:
            head = " ".join(name_value(axis, value) for axis, value in key.items())
            where = f" with {head}" if head else ""
            found.append(f"{format_brief(float(kept))} at depth {int(deep['depth'].iloc[0])}{where}")
    if not found:
        return ""
    return (
        f"The branches overwhelm the tokens: the cosine of a token's last vector with what entered block 1 is "
        f"{', '.join(found)}. Larger token vectors (embed_std=1) or residual=scaled keep them apart."
    )


def format_brief(value: float) -> str:
    """Formats a number for a sentence, with three digits."""
    return f"{value:.1e}" if value and not 1e-3 <= abs(value) < 1e5 else f"{value:.3g}"


def expectations(runs: pd.DataFrame, axes: Sequence[str]) -> list[Expectation]:
    """Returns how deep each scheme is expected to train, among the given depths."""
    out = []
    for key, group in schemes(runs, axes):
        deepest = first = None
        found: tuple[Fault, ...] = ()
        for depth, rows in group.groupby("depth", sort=True):
            unseen = bool((rows["status"] == "failed").any())
            found = (Fault(UNSEEN, math.nan, UNSEEN.below),) if unseen else faults(rows)
            if found:
                first = int(depth)
                break
            deepest = int(depth)
        out.append(Expectation(key, group, deepest, first, found))
    return out


def describe_expectation(expected: Expectation, asked: Sequence[int]) -> str:
    """Returns the expectation as one or two sentences. `asked`: the depths of the study."""
    head = " ".join(name_value(axis, value) for axis, value in expected.scheme.items())
    head = f"{head}: " if head else ""
    if expected.first is None:
        depths = f"every depth asked, up to {max(asked)}" if len(set(asked)) > 1 else f"depth {max(asked)}"
        return f"{head}expected to train at {depths}; no criterion fails."
    if expected.faults[0].criterion is UNSEEN:
        lead = f"up to depth {expected.deepest} no criterion fails; " if expected.deepest else ""
        return f"{head}{lead}at depth {expected.first} {UNSEEN.below}, so there is no expectation from there on."
    reasons = "; ".join(f"{f.words} ({describe_threshold(f)})" for f in expected.faults)
    if expected.deepest is None:
        return f"{head}not expected to train, even at depth {expected.first}: {reasons}."
    return f"{head}depth {expected.deepest} is the deepest expected to train. At depth {expected.first} {reasons}."


def describe_threshold(fault: Fault) -> str:
    """Returns the threshold and its source."""
    c = fault.criterion
    if c.column == "finite":
        return "in some seed"
    return f"bound {c.low if fault.value < c.low else c.high:g}; {c.source}"
