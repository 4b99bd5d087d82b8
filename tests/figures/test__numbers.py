"""Numbers for axes: means, intervals and ticks."""

import math

import pandas as pd
import pytest

from stackcli.figures import _numbers


def test_the_interval_is_students() -> None:
    # values and interval from a table of the t distribution: t(.975, 4) = 2.776445
    mean, low, high = _numbers.interval([1.0, 2.0, 3.0, 4.0, 5.0, math.nan, math.inf])
    half = 2.776445 * math.sqrt(2.5 / 5)
    assert (mean, low, high) == pytest.approx((3.0, 3 - half, 3 + half), abs=1e-6)


def test_one_value_has_no_interval_and_no_values_have_no_mean() -> None:
    mean, low, high = _numbers.interval([0.5])
    assert mean == 0.5 and math.isnan(low) and math.isnan(high)
    assert all(map(math.isnan, _numbers.interval([math.nan, None])))


def test_a_geometric_mean_leaves_out_what_has_no_logarithm() -> None:
    rows = pd.DataFrame({"layer": [1, 1, 1, 2, 2, 3], "g1": [1.0, 100.0, math.nan, 0.0, math.inf, -1.0]})
    assert _numbers.mean_by(rows, "g1", ["layer"], geometric=True).to_dict() == {1: pytest.approx(10.0)}
    assert _numbers.mean_by(rows, "g1", ["layer"]).to_dict() == {1: 50.5, 2: 0.0, 3: -1.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (-0.5, "−0.5"),
        (300, "300"),
        (1e-5, "10⁻⁵"),
        (2e6, "2×10⁶"),
        (0.30000000000000004, "0.3"),
    ],
)
def test_ticks_are_written_in_the_shortest_form(value: float, text: str) -> None:
    assert _numbers.number(value) == text


@pytest.mark.parametrize(("low", "high"), [(1e-9, 1e3), (0.05, 0.6), (0.41, 0.43), (1.0, 1.0001), (3e-8, 5e-8)])
def test_a_logarithmic_axis_has_two_to_six_ticks_within_it(low: float, high: float) -> None:
    ticks = _numbers.log_ticks(low, high)
    assert 2 <= len(ticks) <= 6 and low <= min(ticks) and max(ticks) <= high


def test_values_that_are_no_finite_numbers_are_left_out() -> None:
    assert _numbers.finite([1, None, "2.5", "many", math.nan, -math.inf, -3.0]).tolist() == [1.0, 2.5, -3.0]
    assert _numbers.finite([]).size == 0


@pytest.mark.parametrize(
    ("value", "text"), [(-2e-7, "−2×10⁻⁷"), (1.25e8, "1.25×10⁸"), (99999, "99999"), (math.nan, "nan")]
)
def test_very_large_and_very_small_ticks_are_powers_of_ten(value: float, text: str) -> None:
    assert _numbers.number(value) == text


def test_ticks_over_many_decades_are_powers_of_ten_evenly_apart() -> None:
    assert _numbers.log_ticks(1e-8, 1e3) == pytest.approx([1e-8, 1e-6, 1e-4, 1e-2, 1.0, 1e2])
    assert _numbers.log_ticks(0.8, 60.0) == pytest.approx([1, 2, 5, 10, 20, 50])
