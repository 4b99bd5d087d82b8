"""Exponents, crossovers and predictions, on data whose answer is known."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stackcli.analysis import cost_scaling as scaling

LENGTHS = np.array([256.0, 512, 1024, 2048, 4096])
AXES = ("attention", "depth", "seq")


def frame(cost: Any, *, kinds: tuple[str, ...] = ("full", "window"), depths: tuple[int, ...] = (2, 8)) -> pd.DataFrame:
    """Points whose step takes cost(kind, depth, n) ms and twice as many bytes."""
    rows = [
        {"attention": kind, "depth": depth, "seq": int(n), "status": "done", "step_ms": cost(kind, depth, n)}
        for kind in kinds
        for depth in depths
        for n in LENGTHS
    ]
    out = pd.DataFrame(rows)
    return out.assign(memory=2 * out["step_ms"])


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_is_exact_and_its_interval_is_a_point(power: float) -> None:
    found = scaling.fit_power(LENGTHS, 3e-4 * LENGTHS**power)
    assert found.n == 5 and found.exponent == pytest.approx(power) and found.last == pytest.approx(power)
    assert found.low == pytest.approx(power, abs=1e-9) and found.high == pytest.approx(power, abs=1e-9)


def test_the_interval_is_that_of_scipys_regression() -> None:
    y = LENGTHS**1.5 * np.array([1.1, 0.9, 1.05, 0.97, 1.2])
    found, expected = scaling.fit_power(LENGTHS, y), stats.linregress(np.log(LENGTHS), np.log(y))
    half = stats.t.ppf(0.975, 3) * expected.stderr
    assert found.exponent == pytest.approx(expected.slope)
    assert (found.low, found.high) == pytest.approx((expected.slope - half, expected.slope + half))
    assert found.last == pytest.approx(math.log(y[4] / y[3]) / math.log(2))


@pytest.mark.parametrize("n", [3, 5])
def test_the_interval_covers_the_exponent_in_95_of_100_draws(n: int) -> None:
    draw = np.random.default_rng(0)
    x = 2.0 ** np.arange(n)
    inside = [
        found.low <= 1.3 <= found.high
        for found in (scaling.fit_power(x, x**1.3 * np.exp(0.1 * draw.standard_normal(n))) for _ in range(2000))
    ]
    assert abs(np.mean(inside) - 0.95) < 0.015  # three standard errors of a share of 2,000


def test_the_order_of_the_points_does_not_matter_and_impossible_values_are_left_out() -> None:
    x, y = LENGTHS[::-1], (LENGTHS**2)[::-1]
    assert scaling.fit_power(x, y) == scaling.fit_power(LENGTHS, LENGTHS**2)
    found = scaling.fit_power([*LENGTHS, 8192, 9000], [*(LENGTHS**2), math.nan, 0.0])
    assert found.n == 5 and found.exponent == pytest.approx(2)


def test_two_points_have_an_exponent_without_interval_and_one_has_none() -> None:
    two = scaling.fit_power([100, 400], [3.0, 6.0])
    assert two.exponent == pytest.approx(0.5) and math.isnan(two.low) and math.isnan(two.high)
    assert math.isnan(scaling.fit_power([100], [3.0]).exponent)


def test_the_last_slope_of_a_sum_of_powers_grows() -> None:
    """For a n + b n^2 the local slope at n is (a n + 2 b n^2) / (a n + b n^2)."""
    y = 1e-2 * LENGTHS + 1e-5 * LENGTHS**2
    whole, first = scaling.fit_power(LENGTHS, y), scaling.fit_power(LENGTHS[:2], y[:2])
    assert first.exponent < whole.exponent < whole.last < 2
    middle = math.sqrt(2048 * 4096)
    expected = (1e-2 + 2e-5 * middle) / (1e-2 + 1e-5 * middle)
    assert whole.last == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    "cost,other,kind,at",
    [
        (lambda n: 100 * n, lambda n: n**2 / 10, "from", 1000),
        (lambda n: n**2 / 10, lambda n: 100 * n, "below", 1000),
        (lambda n: n, lambda n: 2 * n, "always", math.nan),
        (lambda n: 2 * n, lambda n: n, "never", math.nan),
        (lambda n: n, lambda n: n, "never", math.nan),  # equal is not lower
    ],
)
def test_a_crossover_of_powers_is_exact(cost: Any, other: Any, kind: str, at: float) -> None:
    for x in (LENGTHS, LENGTHS[::-1]):
        found = scaling.find_crossover(x, cost(x), other(x))
        assert found.kind == kind and found.at == pytest.approx(at, nan_ok=True)


def test_of_several_crossings_the_last_one_counts() -> None:
    found = scaling.find_crossover([1, 2, 4, 8], [1, 3, 1, 1], [2, 2, 0.5, 4.0])
    assert found.kind == "from" and 4 < found.at < 8


def test_a_quadratic_is_fitted_exactly_and_no_coefficient_is_negative() -> None:
    assert scaling.fit_quadratic(LENGTHS, 5 + 0.1 * LENGTHS + 2e-4 * LENGTHS**2) == pytest.approx([5, 0.1, 2e-4])
    assert scaling.fit_quadratic(LENGTHS, 0.1 * LENGTHS) == pytest.approx([0, 0.1, 0], abs=1e-9)
    falling = scaling.fit_quadratic(LENGTHS, np.sqrt(LENGTHS))
    assert (falling >= 0).all() and falling[0] > 0


def test_the_longest_length_is_predicted_from_the_others_alone() -> None:
    y = 5 + 0.1 * LENGTHS + 2e-4 * LENGTHS**2
    found = scaling.predict_longest(LENGTHS, y)
    assert found is not None and found.length == 4096
    assert found.predicted == pytest.approx(y[-1]) and abs(found.error) < 1e-9
    assert found.beyond == pytest.approx(5 + 0.1 * 8192 + 2e-4 * 8192**2)
    doubled = scaling.predict_longest(LENGTHS, [*y[:-1], 2 * y[-1]])
    assert doubled is not None and doubled.predicted == pytest.approx(y[-1])  # it is held out
    assert doubled.error == pytest.approx(-0.5)
    assert scaling.predict_longest(LENGTHS[:3], y[:3]) is None


def test_the_exponents_of_a_frame_are_those_of_its_arms() -> None:
    points = frame(lambda kind, depth, n: depth * n ** (2 if kind == "full" else 1))
    points.loc[0, "status"] = "needs memory"
    points.loc[0, "step_ms"] = math.nan
    found = scaling.length_exponents(points, AXES)
    assert [*found["attention"]] == ["full", "full", "window", "window"] and [*found["depth"]] == [2, 8, 2, 8]
    assert [*found["lengths"]] == [4, 5, 5, 5]
    assert np.allclose(found["time"], [2, 2, 1, 1]) and np.allclose(found["memory_last"], [2, 2, 1, 1])


def test_the_exponent_of_depth_is_taken_at_the_longest_length_with_all_depths() -> None:
    points = frame(lambda kind, depth, n: depth**1.5 * n**depth)  # in which it depends on the length
    lost = (points["attention"] == "full") & (points["depth"] == 8) & (points["seq"] == 4096)
    points.loc[lost, "status"] = "out of memory"
    found = scaling.size_exponents(points, AXES)
    assert [*found["axis"]] == ["depth", "depth"] and [*found["seq"]] == [2048, 4096]
    each = [1.5 + 6 * math.log(n) / math.log(4) for n in (2048, 4096)]  # n^(8 - 2) over a factor of 4 in depth
    assert np.allclose(found["time"], each) and [*found["values"]] == [2, 2]
    assert [*found["depth"]] == ["2, 8", "2, 8"] and [*found["attention"]] == ["full", "window"]


def test_a_kind_is_compared_with_full_at_the_same_settings() -> None:
    points = frame(lambda kind, depth, n: depth * n**2 / 10 if kind == "full" else depth**2 * 50.0 * n)
    found = scaling.crossovers(points, AXES)
    assert [*found["attention"]] == ["window", "window"] and [*found["where"]] == ["from", "from"]
    assert np.allclose(found["at"], [1000, 4000]) and {*found["longest"]} == {4096}
    assert scaling.crossovers(points, ("depth", "seq")).empty
    assert scaling.crossovers(points[points["attention"] == "window"], AXES).empty


def test_predictions_have_a_row_for_each_arm_with_enough_lengths() -> None:
    points = frame(lambda kind, depth, n: 1.0 + depth * n)
    points.loc[(points["attention"] == "full") & (points["seq"] > 1024), "status"] = "out of memory"
    found = scaling.predictions(points, AXES)
    assert [*found["attention"]] == ["window", "window"] and np.allclose(found["error"], 0)
    assert np.allclose(found["beyond_ms"], [1 + 2 * 8192, 1 + 8 * 8192])
