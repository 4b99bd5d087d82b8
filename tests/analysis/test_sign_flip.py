"""The sign-flip test, the interval it inverts and the pairs it needs, against brute force and simulation."""

import itertools
import math
import time

import numpy as np
import pytest
from scipy import stats as scipy_stats

from stackcli.analysis import sign_flip


def brute(gaps: np.ndarray) -> float:
    """p over all 2^n flips, one by one."""
    least = float(abs(gaps.sum()) - 1e-12 * np.abs(gaps).sum())
    sums = (float(np.dot(signs, gaps)) for signs in itertools.product((1, -1), repeat=gaps.size))
    return float(sum(abs(total) >= least for total in sums) / 2**gaps.size)


@pytest.mark.parametrize("n,smallest", [(5, 0.0625), (8, 0.0078125), (10, 0.001953125)])
def test_the_smallest_p_of_n_pairs(n: int, smallest: float) -> None:
    assert sign_flip.sign_flip(np.arange(1, n + 1)).p == smallest


def test_the_test_is_scipys_permutation_test() -> None:
    gaps = np.random.default_rng(1).normal(0.5, 1, size=7)
    theirs = scipy_stats.permutation_test((gaps,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert math.isclose(sign_flip.sign_flip(gaps).p, theirs.pvalue)


@pytest.mark.parametrize("n", [6, 7, 9])
def test_the_interval_is_every_shift_that_the_test_does_not_reject(n: int) -> None:
    draw = np.random.default_rng(n)
    for _ in range(10):
        gaps = draw.normal(0.5, 1, size=n)
        low, high = sign_flip.invert_test(gaps)
        step = 1e-6 * (high - low)
        assert brute(gaps - low + step) < 0.05 <= brute(gaps - low - step)
        assert brute(gaps - high - step) < 0.05 <= brute(gaps - high + step)


@pytest.mark.parametrize("n", range(1, 13))
def test_the_interval_excludes_zero_exactly_where_p_is_below_05(n: int) -> None:
    draw, below = np.random.default_rng(n), 0
    for i in range(200):  # real differences, and those of accuracies, with ties and zeros
        gaps = draw.normal(0.8, 1, size=n) if i % 2 else draw.integers(-3, 8, size=n) / 334
        low, high = sign_flip.invert_test(gaps)
        below += (p := sign_flip.sign_flip(gaps).p) < 0.05
        assert (p < 0.05) == (low > 0 or high < 0) and low <= high
    assert (below > 0) == (n >= 6)


@pytest.mark.parametrize("n", [20, 25])
def test_many_pairs_have_an_interval_that_is_nearly_students(n: int) -> None:
    gaps = np.random.default_rng(n).normal(0.4, 1, size=n)
    student = scipy_stats.ttest_1samp(gaps, 0).confidence_interval(0.95)
    started = time.perf_counter()
    found = sign_flip.invert_test(gaps)
    assert time.perf_counter() - started < 2
    assert np.allclose(found, student, atol=0.04)
    assert (sign_flip.sign_flip(gaps).p < 0.05) == (found[0] > 0 or found[1] < 0)


def test_fewer_than_six_pairs_have_no_bounded_interval() -> None:
    assert sign_flip.invert_test([1, 2, 3, 4, 5]) == (-math.inf, math.inf) == sign_flip.invert_test([])
    assert sign_flip.invert_test([1, 2, 3, 4, 5, 6]) == (1, 6)


def reached(gaps: np.ndarray) -> np.ndarray:
    """p of every row of gaps (R, n), all flips."""
    n = gaps.shape[1]
    signs = 1 - 2 * ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1)
    blocks = np.array_split(gaps, max(1, gaps.size * len(signs) // 20_000_000))
    sums = (np.abs(block @ signs.T) >= np.abs(block.sum(1, keepdims=True)) - 1e-9 for block in blocks)
    return np.concatenate([row.mean(1) for row in sums])


CASES = [(m, d) for m in (1, 3, 9) for d in (1.2, 2.5)]


@pytest.mark.parametrize("comparisons,effect", CASES)
def test_the_seeds_that_are_named_find_the_effect_in_80_of_100_studies(comparisons: int, effect: float) -> None:
    n, floor = sign_flip.seeds_needed(effect, comparisons), sign_flip.claim_seeds(comparisons)
    assert n is not None and n >= floor

    def power(pairs: int) -> float:
        draws = np.random.default_rng(0).normal(effect, 1, size=(1000, pairs))
        return float((reached(draws) * comparisons < 0.05).mean())

    assert power(n) > 0.77  # at the floor it is more, as fewer pairs cannot speak
    assert n == floor or power(n - 1) < 0.83


@pytest.mark.slow
@pytest.mark.parametrize("comparisons,effect", [(m, d) for m in (1, 3, 9) for d in (0.5, 0.8)])
def test_many_seeds_that_are_named_find_a_small_effect_in_80_of_100_studies(comparisons: int, effect: float) -> None:
    n, draw = sign_flip.seeds_needed(effect, comparisons), np.random.default_rng(1)
    assert n is not None
    signs = draw.integers(0, 2, size=(n, 20_000)) * 2.0 - 1
    gaps = draw.normal(effect, 1, size=(1500, n))
    p = [(np.count_nonzero(np.abs(row @ signs) >= abs(row.sum())) + 1) / 20_001 for row in gaps]
    assert 0.75 < np.mean(np.array(p) * comparisons < 0.05) < 0.85


def test_seeds_that_are_named_grow_with_the_family_and_are_always_enough_for_a_claim() -> None:
    for effect in (0.3, 1.0, 2.5, 50.0):
        needed = [sign_flip.seeds_needed(effect, m) or 0 for m in (1, 3, 10, 100)]
        assert needed == sorted(needed)
        assert all(n >= sign_flip.claim_seeds(m) for n, m in zip(needed, (1, 3, 10, 100), strict=True))
    assert sign_flip.seeds_needed(0.0) is None and sign_flip.seeds_needed(math.nan) is None
    assert sign_flip.seeds_needed(0.001) is None


def test_the_least_seeds_are_those_with_which_the_smallest_p_passes() -> None:
    for m in range(1, 200):
        n = sign_flip.claim_seeds(m)
        assert 2 / 2**n * m < 0.05 <= 2 / 2 ** (n - 1) * m


def test_the_number_of_seeds_is_computed_quickly() -> None:
    started = time.perf_counter()
    for m in range(1, 20):
        for effect in np.linspace(0.03, 3, 20):
            sign_flip.seeds_needed(float(effect), m)
    assert time.perf_counter() - started < 2
