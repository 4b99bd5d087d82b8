"""Seeds crossed with test items: Clark's min F', by hand and by simulation."""

import math

import numpy as np
import pytest
from scipy import special
from scipy import stats as scipy_stats

from stackcli.analysis import crossed_items


def study(
    draw: np.random.Generator, *, seeds: int, items: int = 334, sd: float = 0.01, better: float = 0.0
) -> np.ndarray:
    """Differences (S, I) of runs whose expected accuracy is `better` above that of the baseline. Items are easy or
    hard, partly for both alike, and each seed has its own accuracy, with standard deviation `sd`."""
    own, common = draw.normal(size=(2, items))
    baseline = draw.random(items) < special.expit(2.2 + 2 * (0.7 * common + 0.51**0.5 * own))
    chance = special.expit(2.2 + 2 * common)
    slope = chance * (1 - chance) / (chance * (1 - chance)).mean()
    runs = draw.random((seeds, items)) < chance + (better + draw.normal(0, sd, size=(seeds, 1))) * slope
    differences: np.ndarray = runs.astype(np.int8) - baseline.astype(np.int8)
    return differences


def test_min_f_is_computed_from_the_two_f_ratios_as_clark_does() -> None:
    d = study(np.random.default_rng(0), seeds=5, items=40, better=0.1).astype(float)
    by_seeds, by_items = scipy_stats.ttest_1samp(d.mean(1), 0), scipy_stats.ttest_1samp(d.mean(0), 0)
    f1, f2 = by_seeds.statistic**2, by_items.statistic**2
    min_f = f1 * f2 / (f1 + f2)
    df = (f1 + f2) ** 2 / (f1**2 / 39 + f2**2 / 4)
    found = crossed_items.min_f(d)
    assert math.isclose(found.p, scipy_stats.f.sf(min_f, 1, df), rel_tol=1e-9) and math.isclose(found.mean, d.mean())
    half = scipy_stats.t.ppf(0.975, df) * abs(d.mean()) / math.sqrt(min_f)
    assert math.isclose(found.low, d.mean() - half) and math.isclose(found.high, d.mean() + half)


def test_the_interval_excludes_zero_exactly_where_p_is_below_05() -> None:
    draw, below = np.random.default_rng(2), 0
    for _ in range(300):
        found = crossed_items.min_f(study(draw, seeds=4, items=100, better=0.08))
        below += found.p < 0.05
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    assert 50 < below < 290


@pytest.mark.parametrize("seeds", [3, 5, 9])
@pytest.mark.parametrize("sd", [0.003, 0.03])
def test_false_alarms_are_five_in_a_hundred_at_most(seeds: int, sd: float) -> None:
    draw = np.random.default_rng(seeds)
    studies = [study(draw, seeds=seeds, sd=sd) for _ in range(800)]
    alarms = np.mean([crossed_items.min_f(d).p < 0.05 for d in studies])
    assert 0.01 < alarms < 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / 800)
    alone = np.mean([scipy_stats.ttest_1samp(d.mean(1) + 1e-9 * np.arange(seeds), 0).pvalue < 0.05 for d in studies])
    assert alone > alarms  # what seeds alone would say


def test_the_seeds_that_are_named_find_the_effect() -> None:
    draw = np.random.default_rng(5)
    # large enough that its mean and variances are nearly the true ones
    d = study(draw, seeds=400, items=3000, sd=0.06, better=0.06)
    n = crossed_items.min_f(d).seeds_needed(3)
    assert n is not None and 5 < n < 40
    runs = [crossed_items.min_f(d[draw.choice(400, n)][:, draw.choice(3000, 3000)]).p * 3 < 0.05 for _ in range(200)]
    assert 0.70 < np.mean(runs) < 0.92


def test_more_seeds_do_not_make_up_for_too_few_items() -> None:
    d = study(np.random.default_rng(6), seeds=5, items=60, better=0.01)
    assert crossed_items.min_f(d).seeds_needed() is None


def test_fewer_than_three_seeds_and_equal_answers_give_no_p() -> None:
    for d in (np.ones((2, 50)), np.zeros((3, 50)), np.ones((4, 50)), np.ones((3, 1)), np.zeros((0, 0))):
        found = crossed_items.min_f(d)
        assert math.isnan(found.p) and math.isnan(found.low) and math.isnan(found.high)


def test_answers_are_parsed_in_order() -> None:
    assert crossed_items.parse_answers("0110").tolist() == [0, 1, 1, 0]
    assert crossed_items.parse_answers("").size == 0 == crossed_items.parse_answers(float("nan")).size
