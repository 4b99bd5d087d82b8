"""The sign-flip test of paired differences: its p value, the interval it inverts, and the pairs that it needs.

Fisher 1935, The Design of Experiments, sec. 21. Under the null hypothesis each difference is as likely to have the
other sign. Standard deviations are those of the differences, so that an effect d_z is their mean over it.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

ALPHA, POWER = 0.05, 0.8
EXACT = 20  # pairs up to which all 2^n flips are taken
DRAWS = 100_000  # random flips beyond that
MOST_SEEDS = 10_000  # beyond it, the seeds that would tell are not worth naming
ROUNDING = 1e-12  # relative; sums that differ by less are equal
DENSE = 64  # pairs up to which every number of them is tried; beyond it the power grows with each pair

Floats = NDArray[np.float64]


class SignFlip(NamedTuple):
    """A two-sided p value and the number of sign flips behind it: 2^n where exact, else the random draws."""

    p: float
    flips: int


def sign_flip(gaps: ArrayLike) -> SignFlip:
    """Sign-flip test of paired differences (n,), two-sided: all 2^n flips up to n = 20.

    Beyond that DRAWS random flips from a fixed seed, p = (reached + 1) / (draws + 1), Phipson and Smyth 2010. The
    smallest p is 2 / 2^n: .25 with 3 pairs, .0625 with 5, .0078 with 8. Without pairs p is NaN.
    """
    d = np.asarray(gaps, dtype=float)
    if d.size == 0:
        return SignFlip(math.nan, 0)
    exact = d.size <= EXACT
    sums = _all_sums(d) if exact else _drawn_signs(d.size) @ d
    reached = int(np.count_nonzero(np.abs(sums) >= abs(d.sum()) - ROUNDING * np.abs(d).sum()))
    return SignFlip(reached / sums.size, 2**d.size) if exact else SignFlip((reached + 1) / (DRAWS + 1), DRAWS)


def invert_test(gaps: ArrayLike, alpha: float = ALPHA) -> tuple[float, float]:
    """The interval that the test inverts: every shift that it does not reject at `alpha`, in the units of the gaps.

    It excludes 0 exactly where `sign_flip(gaps).p < alpha`. With fewer pairs than the test needs to reach alpha (6 at
    .05) it is unbounded. A flip of the pairs A reaches the sum that was seen, after a shift t below the mean, where the
    mean of A or of the other pairs is t or less; the bound is the k-th smallest such mean (Maritz 1979).
    """
    d = np.asarray(gaps, dtype=float)
    if d.size == 0:
        return -math.inf, math.inf
    low, high = (_bound(sign * d, alpha) for sign in (1, -1))
    near = ROUNDING * float(np.abs(d).sum())
    return (0.0 if abs(low) <= near else low), (0.0 if abs(high) <= near else -high)


def _bound(d: Floats, alpha: float) -> float:
    if d.size <= EXACT:
        total, flipped = 2 ** (d.size - 1), _all_sums(d, np.zeros(1))[1:]
        count = _all_sums(np.ones(d.size), np.zeros(1))[1:]
    else:
        away = (1 - _drawn_signs(d.size)) // 2
        total, flipped, count = DRAWS + 1, away @ d, away.sum(1, dtype=float)
    rank = math.ceil(alpha * total - 1e-9) - 1  # flips, the one that was seen apart, that may reach before t is inside
    if rank < 1:
        return -math.inf
    others = d.size - count
    means = np.minimum(flipped / np.maximum(count, 1), (d.sum() - flipped) / np.maximum(others, 1))
    means[(count == 0) | (others == 0)] = -math.inf  # nothing is flipped, or all: reached after every shift
    return float(np.partition(means, rank - 1)[rank - 1])


def claim_seeds(comparisons: int) -> int:
    """The least number of seeds with which `comparisons` Holm-corrected sign-flip tests can all fall below .05."""
    return math.ceil(math.log2(2 * max(1, comparisons) / ALPHA) + 1e-9)


@functools.lru_cache(maxsize=4096)
def seeds_needed(effect: float, comparisons: int = 1) -> int | None:
    """The least number of pairs with which the sign-flip test says "better" with probability .8 at an effect d_z.

    It has to pass Holm's first step, p < .05 / comparisons, and so is never below `claim_seeds`. Differences are taken
    as normal; d_z from few seeds is itself unsure, and so is what follows from it. None where no number up to
    MOST_SEEDS is enough or d_z is not known.
    """
    if math.isnan(effect) or effect == 0:
        return None
    first = claim_seeds(comparisons)
    dense = range(first, max(first, DENSE) + 1)
    found = next((n for n in dense if effect_found(n, comparisons) <= abs(effect)), None)
    if found is not None:
        return found
    low, high = dense[-1], MOST_SEEDS
    if effect_found(high, comparisons) > abs(effect):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if effect_found(middle, comparisons) <= abs(effect) else (middle, high)
    return high


@functools.lru_cache(maxsize=4096)
def effect_found(n: int, comparisons: int = 1) -> float:
    """The effect d_z that n pairs find with probability .8 by `comparisons` Holm-corrected sign-flip tests.

    Where p may count no other flip, the test asks for n differences of one sign, which has probability Phi(d_z)^n: that
    is exact. With k flips it nears a t test at the level it attains (noncentral t, Cohen 1988, ch. 2); what it asks for
    beyond that falls as k^-1.2, which was fitted, and is held against the exact test by a test.
    """
    k, level = _spare(n, comparisons)
    if k < 1:
        return math.inf
    student = _student(n, level)
    if k == math.inf:
        return student
    beyond = float(special.ndtri(POWER ** (1 / n))) / _student(n, 2.0 ** (1 - n)) - 1
    return float(student * (1 + beyond / k**1.2))


def _spare(n: int, comparisons: int) -> tuple[float, float]:
    """How many flips and their mirror images, the one that was seen among them, p may count, and the level so kept."""
    level = ALPHA / max(1, comparisons)
    if n > EXACT:
        return math.inf, level
    k = float(math.ceil(level * 2 ** (n - 1) - 1e-9) - 1)
    return k, k * 2.0 ** (1 - n)


def _student(n: int, level: float) -> float:
    edge = special.stdtrit(n - 1, 1 - level / 2)
    return float(special.nctdtrinc(n - 1, 1 - POWER, edge)) / math.sqrt(n)


def _all_sums(d: Floats, start: Floats | None = None) -> Floats:
    """The sums of d (n,) under every choice of signs, the first sign fixed, as the other half mirrors it; from `start`
    0 the sums of every choice of some of d, the first never among them and the empty choice first."""
    sums = d[:1] if start is None else start
    for gap in d[1:]:
        sums = np.concatenate([sums + gap, sums - gap] if start is None else [sums, sums + gap])
    return sums


@functools.lru_cache(maxsize=8)
def _drawn_signs(n: int) -> NDArray[np.int8]:
    signs: NDArray[np.int8] = np.random.default_rng(0).integers(0, 2, size=(DRAWS, n), dtype=np.int8) * 2 - 1
    return signs
