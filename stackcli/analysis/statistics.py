"""How sure a difference is: intervals, exact tests, and the words for them. Arms are paired by seed.

An interval is over seeds at a fixed split; against a fixed answer to each test item it is over seeds and items. A run
that diverged, failed, was lost or is missing is counted and named, never averaged. Every function takes plain numbers;
`compare`, `against` and `pool` take and give DataFrames.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stackcli.analysis.crossed_items import Crossed
from stackcli.analysis.sign_flip import ALPHA, MOST_SEEDS, claim_seeds, invert_test, seeds_needed

LEVEL = 0.95
LEAST = 3  # values, or pairs; fewer give no interval
INVERTED = claim_seeds(1)  # pairs from which the interval is the one that the sign-flip test inverts
FLIP, CROSSED = "sign flip", "min F'"  # the tests
BOUNDS = ("low", "high", "p")

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean and its bounds, in the units of the values; the bounds are NaN where too few values stand."""

    mean: float
    low: float
    high: float
    n: int


class Verdict(NamedTuple):
    """`kind` is the bare word, `words` what is printed: with the margin, or with the seeds that would tell."""

    kind: str  # better, worse, leaning better, leaning worse, equivalent, open, none
    words: str


def interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Student's t interval of the mean of values (n,), in their units; a point where all values are equal. Fewer
    than `LEAST` values give no bounds: two say next to nothing of the spread."""
    x = np.asarray(values, dtype=float)
    if x.size < LEAST:
        return Interval(float(x.mean()) if x.size else math.nan, math.nan, math.nan, x.size)
    mean, sd = _mean_sd(x)
    half = float(special.stdtrit(x.size - 1, (1 + level) / 2)) * sd / math.sqrt(x.size)
    return Interval(mean, mean - half, mean + half, x.size)


def describe_mean(seeds: int) -> str:
    """What a mean of so many seeds stands with, in words; nothing for one seed.

    >>> describe_mean(2), describe_mean(3)
    ('mean over 2 seeds', 'mean and 95 % t interval over 3 seeds')
    """
    if seeds < 2:
        return ""
    return f"mean over {seeds} seeds" if seeds < LEAST else f"mean and 95 % t interval over {seeds} seeds"


def geometric_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Geometric mean of positive values (n,) and the t interval of their logarithms, back in the values' units.

    Raises ValueError where a value is not positive.
    """
    mean, low, high, n = interval(_log(values), level)
    return Interval(math.exp(mean), math.exp(low), math.exp(high), n)


def paired_differences(arm: ArrayLike, baseline: ArrayLike, *, log: bool = False) -> Floats:
    """arm - baseline of each pair, (n,); with `log` of the natural logarithms, for losses, norms and times.

    A difference of mere rounding is 0. Raises ValueError where `log` meets a value that is not positive.
    """
    a, b = np.asarray(arm, dtype=float), np.asarray(baseline, dtype=float)
    gap = _log(a) - _log(b) if log else a - b
    return np.where(np.isclose(a, b, rtol=1e-12, atol=0), 0.0, gap)


def paired_interval(gaps: ArrayLike) -> Interval:
    """95 % interval of the mean of paired differences (n,), in their units.

    From 6 pairs on the one that the sign-flip test inverts, so that it excludes 0 exactly where the test's p, before
    Holm's correction, is below .05. With 3 to 5 pairs that one is unbounded, and Student's t interval is given, none
    where all differences are equal, as nothing then says how they spread. Fewer pairs give none.
    """
    d = np.asarray(gaps, dtype=float)
    if d.size >= INVERTED:
        return Interval(float(d.mean()), *invert_test(d), d.size)
    found = interval(d)
    return found if found.low < found.high else Interval(found.mean, math.nan, math.nan, d.size)


def holm(p: ArrayLike) -> Floats:
    """Holm 1979: p values (m,) corrected step-down for their number, at most 1, in the order given; NaN is no test."""
    raw = np.asarray(p, dtype=float)
    tested = np.flatnonzero(~np.isnan(raw))
    order = tested[np.argsort(raw[tested], kind="stable")]
    out = np.full(raw.shape, np.nan)
    out[order] = np.minimum(1, np.maximum.accumulate(raw[order] * np.arange(order.size, 0, -1)))
    return out


def wilson(k: int, n: int, level: float = LEVEL) -> Interval:
    """Wilson 1927: interval of a share, k of n. Raises ValueError unless 0 <= k <= n and n >= 1."""
    if not 0 <= k <= n or n < 1:
        raise ValueError(f"k={k} of n={n} is no share; give 0 <= k <= n and n >= 1")
    z = float(special.ndtri((1 + level) / 2))
    share, spread = k / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / spread
    half = z / spread * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), n)


def d_z(gaps: ArrayLike) -> float:
    """Mean over standard deviation of paired differences (n,), Cohen 1988, p. 48; NaN where all are equal."""
    d = np.asarray(gaps, dtype=float)
    if d.size < 2:
        return math.nan
    mean, sd = _mean_sd(d)
    return mean / sd if sd else math.nan


def is_equivalent(found: Interval, margin: float) -> bool:
    """Whether the interval lies inside (-margin, margin): Lakens 2017, with its two one-sided tests at .025 each."""
    return -margin < found.low and found.high < margin


def verdict(found: Interval, p_holm: float, *, higher: bool, open_: str, margin: float | None = None) -> Verdict:
    """The words for differences. `higher`: a positive difference is good; `open_`: what is said where nothing is
    separated; `margin`: in their units.

    better or worse: p_holm < .05. leaning better or leaning worse: the interval excludes 0, which nothing corrects for
    the number of comparisons. equivalent: it lies inside the margin. Otherwise not separated.
    """
    if found.n == 0:
        return Verdict("none", "no pairs")
    word = "better" if (found.mean > 0) == higher else "worse"
    if p_holm < ALPHA:
        return Verdict(word, word)
    if found.low > 0 or found.high < 0:
        return Verdict(f"leaning {word}", f"leaning {word}")
    if margin is not None and is_equivalent(found, margin):
        return Verdict("equivalent", f"equivalent within {margin:g}")
    return Verdict("open", open_)


def _open(row: dict[str, Any], comparisons: int) -> str:
    """What is said where nothing is separated: how many seeds would tell, or why no number is named."""
    n, equal = row["n"], row["mean"] == (1 if row["scale"] == "ratio" else 0)
    if n < LEAST:
        why = f"{'one pair' if n == 1 else 'two pairs'} cannot tell"
    elif isinstance(row["crossed"], Crossed):
        seeds = row["crossed"].seeds_needed(comparisons)
        why = f"about {max(seeds, n + 1)} seeds would tell" if seeds else "it would take more test items"
    elif math.isnan(row["d_z"]):
        why = "the values are equal" if equal else "equal differences do not tell their spread"
    else:
        seeds = seeds_needed(row["d_z"], comparisons)
        why = f"about {max(seeds, n + 1)} seeds would tell" if seeds else f"over {MOST_SEEDS} seeds would be needed"
    return f"not separated, {why}"


def _mean_sd(x: Floats) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) of x (n,); equal values, up to rounding, have none."""
    if np.ptp(x) <= 1e-12 * np.abs(x).max():
        return float(x[0]), 0.0
    return float(x.mean()), float(x.std(ddof=1))


def _log(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=float)
    if (x <= 0).any():
        raise ValueError(f"a log scale needs positive values; the least is {x.min():g}")
    logs: Floats = np.log(x)
    return logs
