"""Intervals, exact tests and words, against SciPy and numbers worked by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from stackcli import stats


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_the_interval_is_students(n: int) -> None:
    x = np.random.default_rng(n).normal(size=n)
    low, high = scipy_stats.ttest_1samp(x, 0).confidence_interval(0.95)
    found = stats.interval(x)
    assert math.isclose(found.low, low) and math.isclose(found.high, high) and math.isclose(found.mean, x.mean())


@pytest.mark.parametrize("n", [3, 5, 8])
def test_the_interval_covers_as_often_as_it_says(n: int) -> None:
    draws = np.random.default_rng(0).normal(size=(4000, n))
    hits = [found.low < 0 < found.high for found in map(stats.interval, draws)]
    assert 0.935 < np.mean(hits) < 0.965


@pytest.mark.parametrize("n,smallest", [(5, 0.0625), (8, 0.0078125), (10, 0.001953125)])
def test_the_smallest_p_of_n_pairs(n: int, smallest: float) -> None:
    assert stats.sign_flip(np.arange(1, n + 1)).p == smallest


def test_the_sign_flip_test_is_scipys_permutation_test() -> None:
    gaps = np.random.default_rng(1).normal(0.5, 1, size=7)
    theirs = scipy_stats.permutation_test((gaps,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert math.isclose(stats.sign_flip(gaps).p, theirs.pvalue)


def test_holm_is_the_step_down_of_the_paper() -> None:
    assert np.allclose(stats.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_wilson_is_scipys() -> None:
    theirs = scipy_stats.binomtest(17, 20).proportion_ci(method="wilson")
    found = stats.wilson(17, 20)
    assert math.isclose(found.low, theirs.low) and math.isclose(found.high, theirs.high)


def frame(gaps: list[float], status: str = "done") -> pd.DataFrame:
    base = [0.5, 0.52, 0.48, 0.55, 0.5, 0.51, 0.49, 0.53][: len(gaps)]
    rows = [{"pe": "a", "seed": s, "status": "done", "test_acc": b} for s, b in enumerate(base)]
    rows += [
        {"pe": "b", "seed": s, "status": status if s == 0 else "done", "test_acc": b + g}
        for s, (b, g) in enumerate(zip(base, gaps, strict=True))
    ]
    return pd.DataFrame(rows)


def words(gaps: list[float], **more: object) -> str:
    return str(stats.compare(frame(gaps), "pe", "test_acc", "a", **more)["verdict"][0])  # type: ignore[arg-type]


def test_the_words_follow_the_evidence() -> None:
    clear = [0.1, 0.11, 0.09, 0.1, 0.12, 0.1, 0.1, 0.11]
    assert words(clear) == "better"
    assert words([-g for g in clear]) == "worse"
    assert words(clear[:3]) == "ahead, exploratory"
    assert words([0.001, -0.001, 0.0005, -0.0005], margin=0.01) == "equivalent within 0.01"
    assert words([0.1, -0.08, 0.05]).startswith("not separated, about ")


def test_a_diverged_run_is_left_out_and_named() -> None:
    row = stats.compare(frame([9.0, 0.1, 0.1, 0.1], status="diverged"), "pe", "test_acc", "a").iloc[0]
    assert row["n"] == 3 and math.isclose(row["mean"], 0.1)
    assert "3 of 4 seeds paired" in row["note"] and "1 diverged" in row["note"]


def test_a_constant_added_to_both_arms_changes_nothing_and_swapping_turns_the_sign() -> None:
    one = frame([0.1, 0.05, 0.2])
    moved = one.assign(test_acc=one["test_acc"] + 0.1)
    columns = ["mean", "low", "high", "p"]
    a, b = (stats.compare(f, "pe", "test_acc", "a")[columns].to_numpy(float) for f in (one, moved))
    assert np.allclose(a, b)
    swapped = stats.compare(one, "pe", "test_acc", "b")[columns].to_numpy(float)
    assert np.allclose(swapped[0], [-a[0][0], -a[0][2], -a[0][1], a[0][3]])
