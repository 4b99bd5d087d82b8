"""The sign-flip test of paired differences: its p value, its confidence interval, and the pairs that it needs.

Fisher 1935, The Design of Experiments, sec. 21. Under the null hypothesis both signs of each difference are equally
likely. An effect d_z is the mean of the differences over their standard deviation.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

ALPHA, POWER = 0.05, 0.8
EXACT = 20  # up to so many pairs all 2^n flips are taken
DRAWS = 100_000  # random flips for more pairs
MOST_SEEDS = 10_000  # larger numbers of seeds are not reported
ROUNDING = 1e-12  # relative; sums that differ by less are equal
DENSE = 64  # up to so many pairs every number is tried; beyond it the power grows with each pair

Floats = NDArray[np.float64]


class SignFlip(NamedTuple):
    """A two-sided p value and the number of sign flips behind it: 2^n where exact, else the random draws."""

    p: float
    flips: int


def sign_flip(gaps: ArrayLike) -> SignFlip:
    """Two-sided sign-flip test of paired differences (n,), over all 2^n flips up to n = 20.

    With more pairs it takes DRAWS random flips from a fixed seed, with p = (reached + 1) / (draws + 1), Phipson and
    Smyth 2010. The smallest p is 2 / 2^n: .25 with 3 pairs, .0625 with 5, .0078 with 8. Without pairs p is NaN.
    """
    d = np.asarray(gaps, dtype=float)
    if d.size == 0:
        return SignFlip(math.nan, 0)
    exact = d.size <= EXACT
    sums = _all_sums(d) if exact else d.sum() - 2 * _sum_drawn(d)
    reached = int(np.count_nonzero(np.abs(sums) >= abs(d.sum()) - ROUNDING * np.abs(d).sum()))
    return SignFlip(reached / sums.size, 2**d.size) if exact else SignFlip((reached + 1) / (DRAWS + 1), DRAWS)


def invert_test(gaps: ArrayLike, alpha: float = ALPHA) -> tuple[float, float]:
    """Returns the interval of all shifts that the test does not reject at `alpha`, in the units of the gaps.

    It excludes 0 exactly if `sign_flip(gaps).p < alpha`, and is unbounded with fewer pairs than the test needs to reach
    alpha (6 at .05). After a shift t below the mean, flipping the pairs A gives a sum at least as extreme as the
    observed one if the mean of A or of all other pairs is at most t; the bound is the k-th smallest such mean (Maritz
    1979).
    """
    d = np.asarray(gaps, dtype=float)
    if d.size == 0:
        return -math.inf, math.inf
    flipped, count, total = _flipped_sums(d)
    low, high = (_bound(sign * d, sign * flipped, count, math.ceil(alpha * total - 1e-9) - 1) for sign in (1, -1))
    near = ROUNDING * float(np.abs(d).sum())
    return (0.0 if abs(low) <= near else low), (0.0 if abs(high) <= near else -high)


def _flipped_sums(d: Floats) -> tuple[Floats, Floats, int]:
    """For each flip: the sum of the pairs that it flips, and how many it flips; and the number of flips."""
    if d.size <= EXACT:
        start = np.zeros(1)
        return _all_sums(d, start)[1:], _all_sums(np.ones(d.size), start)[1:], 2 ** (d.size - 1)
    return _sum_drawn(d), _draw_flips(d.size)[1], DRAWS + 1


def _bound(d: Floats, flipped: Floats, count: Floats, rank: int) -> float:
    """The lower end; `rank` flips besides the observed one may be as extreme with the shift still rejected."""
    if rank < 1:
        return -math.inf
    others = d.size - count
    means = np.minimum(flipped / np.maximum(count, 1), (d.sum() - flipped) / np.maximum(others, 1))
    means[(count == 0) | (others == 0)] = -math.inf  # no pair is flipped, or all: as extreme after every shift
    return float(np.partition(means, rank - 1)[rank - 1])


def claim_seeds(comparisons: int) -> int:
    """Returns the least number of seeds with which `comparisons` Holm-corrected tests can all be below .05."""
    return math.ceil(math.log2(2 * max(1, comparisons) / ALPHA) + 1e-9)


@functools.lru_cache(maxsize=4096)
def seeds_needed(effect: float, comparisons: int = 1) -> int | None:
    """Returns the least number of pairs with which the test says "better" with probability .8 at an effect d_z.

    The test has to pass Holm's first step, p < .05 / comparisons, so the number is at least `claim_seeds`. Differences
    are assumed to be normal. As d_z of few seeds is uncertain, so is this number. None if MOST_SEEDS are not enough or
    d_z is NaN.
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
    """Returns the effect d_z that n pairs find with probability .8 by `comparisons` Holm-corrected sign-flip tests.

    If p may count no other flip, all n differences need the same sign, with probability Phi(d_z)^n; this is exact. With
    k flips the test approaches a t test at its own level (noncentral t, Cohen 1988, ch. 2); the excess over the t test
    falls as k^-1.2, a fit that a test compares with the exact test.
    """
    k, level = _allowed_flips(n, comparisons)
    if k < 1:
        return math.inf
    student = _student(n, level)
    if k == math.inf:
        return student
    beyond = float(special.ndtri(POWER ** (1 / n))) / _student(n, 2.0 ** (1 - n)) - 1
    return float(student * (1 + beyond / k**1.2))


def _allowed_flips(n: int, comparisons: int) -> tuple[float, float]:
    """Returns how many flips p may count, the observed one included and mirror images as one, and the level."""
    level = ALPHA / max(1, comparisons)
    if n > EXACT:
        return math.inf, level
    k = float(math.ceil(level * 2 ** (n - 1) - 1e-9) - 1)
    return k, k * 2.0 ** (1 - n)


def _student(n: int, level: float) -> float:
    edge = special.stdtrit(n - 1, 1 - level / 2)
    return float(special.nctdtrinc(n - 1, 1 - POWER, edge)) / math.sqrt(n)


def _all_sums(d: Floats, start: Floats | None = None) -> Floats:
    """Returns the sums of d (n,) under every choice of signs with the first sign fixed, as the other half mirrors it.

    With `start` = [0]: the sums of every subset of d without its first element, the empty subset first."""
    sums = d[:1] if start is None else start
    for gap in d[1:]:
        sums = np.concatenate([sums + gap, sums - gap] if start is None else [sums, sums + gap])
    return sums


@functools.lru_cache(maxsize=8)
def _draw_flips(n: int) -> tuple[NDArray[np.uint8], Floats]:
    """The random flips of n pairs, eight pairs to a byte, (ceil(n / 8), DRAWS), the first pair in the highest bit of
    the first byte; and how many pairs each draw flips, (DRAWS,)."""
    flip = 1 - np.random.default_rng(0).integers(0, 2, size=(DRAWS, n), dtype=np.int8)
    return np.ascontiguousarray(np.packbits(flip, axis=1).T), flip.sum(1, dtype=float)


def _sum_drawn(d: Floats) -> Floats:
    """Returns the sum of the pairs of d (n,) that each draw flips, (DRAWS,). The 256 sums of eight pairs are made once
    and looked up: eight times as fast as adding pair by pair."""
    choices = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    sums = np.zeros(DRAWS)
    for first, byte in zip(range(0, d.size, 8), _draw_flips(d.size)[0], strict=True):
        eight = d[first : first + 8]
        sums += (choices[:, : eight.size] @ eight)[byte]
    return sums
