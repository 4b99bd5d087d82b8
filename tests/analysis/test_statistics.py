"""Intervals, exact tests and words, against SciPy and numbers worked by hand."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from stackcli.analysis import statistics


def test_fewer_than_three_values_give_a_mean_and_no_interval() -> None:
    for values in ([0.2, 0.6], [0.4]):
        found = statistics.interval(values)
        assert math.isclose(found.mean, 0.4) and math.isnan(found.low) and math.isnan(found.high)
    assert statistics.interval([]).n == 0 and math.isnan(statistics.interval([]).mean)


@pytest.mark.parametrize("n", [3, 4, 5, 8])
def test_the_interval_is_students(n: int) -> None:
    x = np.random.default_rng(n).normal(size=n)
    low, high = scipy_stats.ttest_1samp(x, 0).confidence_interval(0.95)
    found = statistics.interval(x)
    assert math.isclose(found.low, low) and math.isclose(found.high, high) and math.isclose(found.mean, x.mean())


@pytest.mark.parametrize("n", [3, 5, 8])
def test_the_interval_covers_as_often_as_it_says(n: int) -> None:
    draws = np.random.default_rng(0).normal(size=(4000, n))
    hits = [found.low < 0 < found.high for found in map(statistics.interval, draws)]
    assert 0.935 < np.mean(hits) < 0.965


def test_holm_is_the_step_down_of_the_paper() -> None:
    assert np.allclose(statistics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_wilson_is_scipys() -> None:
    theirs = scipy_stats.binomtest(17, 20).proportion_ci(method="wilson")
    found = statistics.wilson(17, 20)
    assert math.isclose(found.low, theirs.low) and math.isclose(found.high, theirs.high)
