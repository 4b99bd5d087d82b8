"""Estimates follow the FLOPs from steps that were timed, and no point that is too large is timed."""

import time
from typing import Any

import pytest

from stackcli.diagnostics import cost_estimate
from stackcli.diagnostics.cost_counts import Point, count_costs
from tests.factory import config

SMALL: dict[str, Any] = {"dim": 16, "heads": 2, "ff": 1.0, "batch": 1, "pe": "none"}
POINTS = [Point(config(**SMALL, depth=d), n, 4096) for d in (1, 2) for n in (64, 512, 4096)]


def simulate(monkeypatch: pytest.MonkeyPatch, start: float, rate: float) -> list[Point]:
    """A machine on which a step takes `start` seconds and `rate` for each FLOP; returns the points that are timed."""
    timed: list[Point] = []

    def time_step(point: Point) -> float:
        timed.append(point)
        return start + rate * float(count_costs(point)["flops"])

    monkeypatch.setattr(cost_estimate, "time_step", time_step)
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    return timed


def test_times_are_extrapolated_along_the_flops(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = simulate(monkeypatch, 1e-4, 1e-9)
    rows = cost_estimate.estimate_points(POINTS, 1e12)
    for row in rows:
        assert row["status"] == "counted" and row["seconds"] == pytest.approx(1e-4 + 1e-9 * row["flops"])
    assert {(p.config.depth, p.length) for p in timed} == {(1, 64), (1, 512), (2, 64), (2, 512)}


def test_a_point_that_does_not_fit_is_never_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = simulate(monkeypatch, 0.004, 1e-12)
    free = count_costs(POINTS[0])["needed"] + 1
    rows = cost_estimate.estimate_points(POINTS, free)
    assert [row["status"] for row in rows] == ["counted"] + ["needs memory"] * 5
    assert {(p.config.depth, p.length) for p in timed} == {(1, 64)} and all(row["seconds"] > 0 for row in rows)
    nothing = cost_estimate.estimate_points(POINTS, 1.0)
    assert {row["status"] for row in nothing} == {"needs memory"} and {row["seconds"] for row in nothing} == {0.0}


def test_a_calibration_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    timed, clock = simulate(monkeypatch, 0.004, 1e-9), iter(range(0, 100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    rows = cost_estimate.estimate_points(POINTS, 1e12)
    assert len(timed) == 2  # the discarded one, and one more
    assert all(row["seconds"] > 0 for row in rows)


def test_from_one_time_it_is_a_proportion_and_from_none_the_mean_rate() -> None:
    assert cost_estimate.extrapolate([(1e6, 2.0)], 3e6, 9.0) == pytest.approx(6.0)
    assert cost_estimate.extrapolate([(1e6, 2.0), (2e6, 3.0)], 5e6, 9.0) == pytest.approx(6.0)
    assert cost_estimate.extrapolate([(1e6, 2.0), (2e6, 1.0)], 5e6, 9.0) == 2.0  # noise: no time falls with work
    assert cost_estimate.extrapolate([], 3.0, 2.0) == 6.0


def test_the_total_counts_the_memory_pass_and_all_turns() -> None:
    total = cost_estimate.estimate_total([0.1], budget=1.4)  # a turn is 0.14 s: 2 discarded, 10 that count
    assert total == pytest.approx(cost_estimate.START + 0.2 + 0.14 * 12)
    assert cost_estimate.estimate_total([], budget=1.0) == 0.0


def test_a_step_is_timed_in_seconds() -> None:
    assert 0 < cost_estimate.time_step(POINTS[0]) < 60
