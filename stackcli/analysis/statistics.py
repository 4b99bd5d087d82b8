"""Says how sure a difference is: intervals, exact tests and verdicts. Arms are paired by seed.

An interval is over seeds at a fixed split; in comparisons with a fixed answer to each test item it is over seeds and
items. Runs that diverged, failed, were lost or are missing are counted and named, never averaged. The functions take
plain numbers; those of `paired_comparisons` take DataFrames.
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
INVERTED = claim_seeds(1)  # from so many pairs on, the interval is that of the sign-flip test
FLIP, CROSSED = "sign flip", "min F'"  # the tests
BOUNDS = ("low", "high", "p")

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean and its bounds, in the units of the values; the bounds of too few values are NaN."""

    mean: float
    low: float
    high: float
    n: int


class Verdict(NamedTuple):
    """`kind` is the verdict alone; `words`, which are printed, add the margin or the number of seeds needed."""

    kind: str  # better, worse, leaning better, leaning worse, equivalent, open, none
    words: str


def interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Returns Student's t interval of the mean of values (n,), in their units; a single point if all are equal.

    The bounds of fewer than `LEAST` values are NaN: two values say almost nothing about the spread."""
    x = np.asarray(values, dtype=float)
    if x.size < LEAST:
        return Interval(float(x.mean()) if x.size else math.nan, math.nan, math.nan, x.size)
    mean, sd = _mean_sd(x)
    half = float(special.stdtrit(x.size - 1, (1 + level) / 2)) * sd / math.sqrt(x.size)
    return Interval(mean, mean - half, mean + half, x.size)


def describe_mean(seeds: int) -> str:
    """Describes a mean over so many seeds and its interval; empty for one seed.

    >>> describe_mean(2), describe_mean(3)
    ('mean over 2 seeds', 'mean and 95 % t interval over 3 seeds')
    """
    if seeds < 2:
        return ""
    return f"mean over {seeds} seeds" if seeds < LEAST else f"mean and 95 % t interval over {seeds} seeds"


def geometric_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Returns the geometric mean of values (n,) and the t interval of their logarithms, in the units of the values.

    Raises ValueError if a value is not positive.
    """
    mean, low, high, n = interval(_log(values), level)
    return Interval(math.exp(mean), math.exp(low), math.exp(high), n)


def paired_differences(arm: ArrayLike, baseline: ArrayLike, *, log: bool = False) -> Floats:
    """Returns arm - baseline for each pair, (n,); with `log` of the natural logarithms, for losses, norms and times.

    Differences by rounding become 0. Raises ValueError if `log` is set and a value is not positive.
    """
    a, b = np.asarray(arm, dtype=float), np.asarray(baseline, dtype=float)
    gap = _log(a) - _log(b) if log else a - b
    return np.where(np.isclose(a, b, rtol=1e-12, atol=0), 0.0, gap)


def paired_interval(gaps: ArrayLike) -> Interval:
    """Returns the 95 % interval of the mean of paired differences (n,), in their units.

    From 6 pairs on it is the interval of the sign-flip test, which excludes 0 exactly if the test's p, before Holm's
    correction, is below .05. With 3 to 5 pairs that interval is unbounded, so Student's t interval is returned; its
    bounds are NaN if all differences are equal, as their spread is then unknown. Fewer pairs have no bounds.
    """
    d = np.asarray(gaps, dtype=float)
    if d.size >= INVERTED:
        return Interval(float(d.mean()), *invert_test(d), d.size)
    found = interval(d)
    return found if found.low < found.high else Interval(found.mean, math.nan, math.nan, d.size)


def holm(p: ArrayLike) -> Floats:
    """Returns p values (m,) corrected by Holm 1979, at most 1, in the given order; NaN values are not counted."""
    raw = np.asarray(p, dtype=float)
    tested = np.flatnonzero(~np.isnan(raw))
    order = tested[np.argsort(raw[tested], kind="stable")]
    out = np.full(raw.shape, np.nan)
    out[order] = np.minimum(1, np.maximum.accumulate(raw[order] * np.arange(order.size, 0, -1)))
    return out


def wilson(k: int, n: int, level: float = LEVEL) -> Interval:
    """Returns the interval of a share, k of n, by Wilson 1927. Raises ValueError unless 0 <= k <= n and n >= 1."""
    if not 0 <= k <= n or n < 1:
        raise ValueError(f"k={k} of n={n} is not a share; give 0 <= k <= n and n >= 1")
    z = float(special.ndtri((1 + level) / 2))
    share, spread = k / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / spread
    half = z / spread * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), n)


def d_z(gaps: ArrayLike) -> float:
    """Returns mean over standard deviation of paired differences (n,), Cohen 1988, p. 48; NaN if all are equal."""
    d = np.asarray(gaps, dtype=float)
    if d.size < 2:
        return math.nan
    mean, sd = _mean_sd(d)
    return mean / sd if sd else math.nan


def is_equivalent(found: Interval, margin: float) -> bool:
    """Whether the interval lies inside (-margin, margin): Lakens 2017, two one-sided tests at .025 each."""
    return -margin < found.low and found.high < margin


def verdict(found: Interval, p_holm: float, *, higher: bool, open_: str, margin: float | None = None) -> Verdict:
    """Returns the verdict on differences. `higher`: whether a positive difference is good; `open_`: the words if
    nothing is separated; `margin`: in the units of the differences.

    better or worse: p_holm < .05. leaning better or leaning worse: the interval, which is not corrected for the number
    of comparisons, excludes 0. equivalent: it lies inside the margin. Otherwise the words are `open_`.
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
    """Says that nothing is separated, or that the seeds are too few for any claim, and how many are needed, or why no
    number is known."""
    n, equal = row["n"], row["mean"] == (1 if row["scale"] == "ratio" else 0)
    least = LEAST if row["test"] == CROSSED else claim_seeds(comparisons)
    if n < LEAST:
        return f"too few seeds to tell, at least {least} are needed"
    if isinstance(row["crossed"], Crossed):
        needed = row["crossed"].seeds_needed(comparisons)
        why = f"about {max(needed, n + 1)} seeds would be needed" if needed else "more test items would be needed"
        return f"not separated, {why}"
    if math.isnan(row["d_z"]):
        why = "the values are equal" if equal else "equal differences do not tell their spread"
        return f"not separated, {why}"
    needed = seeds_needed(row["d_z"], comparisons)
    many = f"about {max(needed, n + 1)}" if needed else f"over {MOST_SEEDS}"
    return f"{'too few seeds to tell' if n < least else 'not separated'}, {many} seeds would be needed"


def _mean_sd(x: Floats) -> tuple[float, float]:
    """Returns mean and standard deviation (n - 1) of x (n,); 0 for values that are equal up to rounding."""
    if np.ptp(x) <= 1e-12 * np.abs(x).max():
        return float(x[0]), 0.0
    return float(x.mean()), float(x.std(ddof=1))


def _log(values: ArrayLike) -> Floats:
    x = np.asarray(values, dtype=float)
    if (x <= 0).any():
        raise ValueError(f"a log scale needs positive values; the least is {x.min():g}")
    logs: Floats = np.log(x)
    return logs
