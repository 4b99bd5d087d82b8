"""How gradients scale with depth before training, beside theory, and how deep a stack can be expected to train.

`runs` is a frame with a row a stack: the axes, `seed`, `status`, the settings by the name that a user types, and the
numbers of `initialisation.measure`. A scheme is a choice of every axis but depth.

An expectation is no promise. Its criteria are numbers read before training, and their bounds are of two kinds: wide
ones, and two that were set on 190 short runs of our own, after seeing them: copying the token before at width 32, and
questions at width 64, at depth 2 to 48 with post-LN, pre-LN, DeepNorm and no skip, two initialisations, lr 3e-4 to
3e-3, most without a warm-up. A run counted as trained where its train loss fell below .9 of the entropy of the classes.
The bounds tell 186 of them rightly, but only 63 of 80 of another task on which they were not set: of 53 that trained
50, of 27 that did not 13 (experiments/probe-foretells). A warning can be trusted more than its absence.

* After the first step the gradient at block 1 was .32 and more of that at the last block in the stacks that trained
  well, and .33 and less in those that failed for no other reason; but for one of .53, post-LN at depth 8 on questions.
* Where tokens are answered they could be told apart by .14 and more in the stacks that trained well, and by .08 and
  less in those that failed for no other reason; from .07 to .17 four stacks learnt half the task. Where a sequence is
  answered its tokens may be one: without a skip, depth 4 learns questions at a rank residual of 2e-7. There the
  sequences' vectors count.
* No criteria, as they do not tell them apart: the token cosine (.99 at depth 32 with pre-LN, which trains) and the
  change of the logits by the first step (as large with pre-LN as with post-LN).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stackcli.analysis.study_comparisons import name_value
from stackcli.common.wording import format_setting

FIRST = 2  # the least depth of a slope: a stack of one block is not a stack
SIZES = ("dim", "ff")  # which a law takes to be the same at every depth
SLOPES = {"slope_plain": "grad_last", "slope_free": "free_last", "slope_update": "update"}
INITS = ("default", "xavier", "orthogonal")  # variance in proportion to 1 / fan in, at every depth the same


class Law(NamedTuple):
    """Exponent of G3 of the last block's last map in the depth, and where it is from."""

    slope: float
    source: str


XIONG = "Xiong et al. 2020, thm. 1"
LAWS = {
    "post": Law(0.0, XIONG),
    "pre": Law(-0.5, XIONG),
    "deepnorm": Law(-0.5, "beta / alpha of Wang et al. 2022, fig. 2"),  # (8 N)^(-1/4) / (2 N)^(1/4)
}


def theory_of(settings: Mapping[str, Any]) -> Law | None:
    """What theory says of a stack with these settings: for Xavier's initialisation, and so for others whose size does
    not change with depth; None where it says nothing."""
    plain = settings.get("norm") in ("layer", "rms") and settings.get("init") in INITS
    plain &= settings.get("share_layers") in (False, None)
    own = [settings.get(f"residual.{key}") for key in ("alpha", "beta")]
    if not plain or any(value == value and value for value in own):
        return None
    return LAWS.get(str(settings.get("residual")))


# ---- slopes


def schemes(runs: pd.DataFrame, axes: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Each choice of every axis but depth, and its runs, in the order met."""
    others = [axis for axis in axes if axis != "depth"]
    if not others:
        yield {}, runs
        return
    for key, group in runs.groupby(others, sort=False, dropna=False):
        yield dict(zip(others, key, strict=True)), group


def slope(depths: Sequence[float], values: Sequence[float]) -> float:
    """Exponent p of values ~ depth^p by least squares on both logarithms, over depths of FIRST and more; NaN where
    fewer than two are left, or a value is not positive."""
    x, y = np.asarray(depths, dtype=float), np.asarray(values, dtype=float)
    x, y = x[x >= FIRST], y[x >= FIRST]
    if len(set(x)) < 2 or not (np.isfinite(y) & (y > 0)).all():
        return math.nan
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def slopes(runs: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """A row a scheme and seed: the axes but depth, `seed`, `slope_plain` (of G1 of the last block's last map),
    `slope_free` (G3), `slope_update` (the first step), `theory` (of G3), `theory_source`, and of the shallowest stack
    `order` and `order_theory` of rank collapse."""
    out = []
    for key, group in schemes(runs[runs["status"] != "failed"], axes):
        for seed, mine in group.sort_values("depth").groupby("seed", sort=True):
            found = {head: slope(mine["depth"], mine[column]) for head, column in SLOPES.items()}
            first, known = mine.iloc[0], {theory_of(row) for row in mine.to_dict("records")}
            alike = len(known) == 1 and all(mine[size].nunique() == 1 for size in SIZES)
            theory = known.pop() if alike else None
            told = {"theory": theory.slope, "theory_source": theory.source} if theory else {}
            order = {name: first[name] for name in ("order", "order_theory")}
            out.append({**key, "seed": seed, **found, "theory": math.nan, "theory_source": "", **told, **order})
    return pd.DataFrame(out)


# ---- how deep


class Criterion(NamedTuple):
    """Holds where low <= the number <= high. `below` and `above` are the words for a number outside, with {} for it;
    `source` is of the effect, `bound` of the number."""

    column: str
    low: float
    high: float
    below: str
    above: str
    source: str


CALIBRATION = (
    "An expectation, not a promise: all is read before training. On 80 runs that its bounds were not set on, 13 of 16 "
    "warnings were right, and 50 of the 64 stacks without one trained (experiments/probe-foretells)."
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
        "what is asked about can hardly be told apart: its rank residual is {}",
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
    "the gradient vanishes towards the input before any step: after the first it is, at block 1, {} of that at the last"
)
UNSEEN = Criterion("status", math.nan, math.nan, "a stack could not be looked at", "", "")


class Fault(NamedTuple):
    """A criterion that does not hold at a point: the number that is furthest outside, over seeds, and the words."""

    criterion: Criterion
    value: float
    words: str


class Expectation(NamedTuple):
    """Of a scheme: the deepest of the depths asked up to which every criterion holds in every seed (None: not even the
    first), the first at which one does not (None: there is none), and all that is wrong there."""

    scheme: dict[str, Any]
    runs: pd.DataFrame
    deepest: int | None
    first: int | None
    faults: tuple[Fault, ...]


def faults(runs: pd.DataFrame) -> tuple[Fault, ...]:
    """What does not hold at one point, over its seeds. A number that was not taken breaks nothing."""
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
                if criterion.column == "step_ratio" and _gone(runs, criterion.low):
                    words = BEFORE
                said = words.replace("{lr:g}", format_setting(float(runs["lr"].iloc[0]))).replace(
                    "{}", format_brief(value)
                )
                out.append(Fault(criterion, value, said))
    return tuple(out)


def _gone(runs: pd.DataFrame, low: float) -> bool:
    """Whether the gradient has vanished towards the input before there was any step."""
    before = pd.to_numeric(runs["back_ratio"]).dropna() if "back_ratio" in runs else pd.Series(dtype=float)
    return bool(len(before)) and float(before.median()) < low


def describe_lost_tokens(runs: pd.DataFrame, axes: Sequence[str]) -> str:
    """The schemes whose deepest stack leaves little of a token in its last vector, in a sentence; empty for none."""
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
        f"What the branches add drowns the tokens: the cosine of a token's last vector with what entered block 1 is "
        f"{', '.join(found)}. Larger token vectors (embed_std=1) or residual=scaled keep them apart."
    )


def format_brief(value: float) -> str:
    """A number in a sentence: three digits."""
    return f"{value:.1e}" if value and not 1e-3 <= abs(value) < 1e5 else f"{value:.3g}"


def expectations(runs: pd.DataFrame, axes: Sequence[str]) -> list[Expectation]:
    """How deep each scheme can be expected to train, of the depths asked."""
    out = []
    for key, group in schemes(runs, axes):
        deepest = first = None
        found: tuple[Fault, ...] = ()
        for depth, mine in group.groupby("depth", sort=True):
            unseen = bool((mine["status"] == "failed").any())
            found = (Fault(UNSEEN, math.nan, UNSEEN.below),) if unseen else faults(mine)
            if found:
                first = int(depth)
                break
            deepest = int(depth)
        out.append(Expectation(key, group, deepest, first, found))
    return out


def describe_expectation(expected: Expectation, asked: Sequence[int]) -> str:
    """The expectation as a sentence or two."""
    head = " ".join(name_value(axis, value) for axis, value in expected.scheme.items())
    head = f"{head}: " if head else ""
    if expected.first is None:
        whole = f"every depth asked, up to {max(asked)}" if len(set(asked)) > 1 else f"depth {max(asked)}"
        return f"{head}expected to train at {whole}; no criterion fails."
    if expected.faults[0].criterion is UNSEEN:
        lead = f"up to depth {expected.deepest} no criterion fails; " if expected.deepest else ""
        return f"{head}{lead}at depth {expected.first} {UNSEEN.below}, so that nothing is expected from there on."
    reasons = "; ".join(f"{f.words} ({describe_threshold(f)})" for f in expected.faults)
    if expected.deepest is None:
        return f"{head}not expected to train, even at depth {expected.first}: {reasons}."
    return f"{head}depth {expected.deepest} is the deepest expected to train. At depth {expected.first} {reasons}."


def describe_threshold(fault: Fault) -> str:
    """The threshold and where it is from."""
    c = fault.criterion
    if c.column == "finite":
        return "in some seed"
    return f"bound {c.low if fault.value < c.low else c.high:g}; {c.source}"
