"""Intervals, exact tests and words, against SciPy and numbers worked by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from stackcli.analysis import paired_comparisons, statistics
from stackcli.analysis.crossed_items import min_f


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


def frame(gaps: list[float], status: str = "done") -> pd.DataFrame:
    base = [0.5, 0.52, 0.48, 0.55, 0.5, 0.51, 0.49, 0.53][: len(gaps)]
    rows = [{"pe": "a", "seed": s, "status": "done", "test_acc": b} for s, b in enumerate(base)]
    rows += [
        {"pe": "b", "seed": s, "status": status if s == 0 else "done", "test_acc": b + g}
        for s, (b, g) in enumerate(zip(base, gaps, strict=True))
    ]
    return pd.DataFrame(rows)


def words(gaps: list[float], **more: object) -> str:
    return str(paired_comparisons.compare(frame(gaps), "pe", "test_acc", "a", **more)["verdict"][0])  # type: ignore[arg-type]


def test_the_words_follow_the_evidence() -> None:
    clear = [0.1, 0.11, 0.09, 0.1, 0.12, 0.1, 0.1, 0.11]
    assert words(clear) == "better"
    assert words([-g for g in clear]) == "worse"
    assert words(clear[:3]) == "leaning better" and words([-g for g in clear[:3]]) == "leaning worse"
    assert words([0.001, -0.001, 0.0005, -0.0005], margin=0.01) == "equivalent within 0.01"
    effect = np.mean([0.1, -0.08, 0.05]) / np.std([0.1, -0.08, 0.05], ddof=1)
    power = (scipy_stats.nct.sf(scipy_stats.t.ppf(0.975, n - 1), n - 1, effect * n**0.5) for n in range(21, 999))
    least = next(n for n, found in enumerate(power, start=21) if found >= 0.8)
    assert words([0.1, -0.08, 0.05]) == f"not separated, about {least} seeds would tell"
    assert words([1e-3, -1e-3, 1e-5]) == "not separated, over 10000 seeds would be needed"


def test_the_seeds_that_would_tell_are_more_than_there_are_and_enough_to_speak() -> None:
    assert words([0.1, 0.21, 0.019]) == "not separated, about 9 seeds would tell"  # d_z 1.14
    assert words([0.1, 0.11, -0.001, 0.1, 0.12, 0.1]).endswith("about 7 seeds would tell")


def test_fewer_than_three_pairs_give_no_interval_and_no_leaning() -> None:
    for gaps, said in (
        ([0.1, 0.1], "two pairs cannot tell"),
        ([0.1, 0.12], "two pairs cannot tell"),
        ([0.1], "one pair"),
    ):
        row = paired_comparisons.compare(frame(gaps), "pe", "test_acc", "a").iloc[0]
        assert math.isnan(row["low"]) and math.isnan(row["high"]) and said in row["verdict"]
        assert row["kind"] == "open" and not math.isinf(row["d_z"])


@pytest.mark.parametrize("n", [3, 5])
def test_equal_differences_of_few_pairs_give_no_interval(n: int) -> None:
    row = paired_comparisons.compare(frame([0.25] * n), "pe", "test_acc", "a").iloc[0]
    assert math.isnan(row["low"]) and math.isnan(row["d_z"])
    assert row["verdict"] == "not separated, equal differences do not tell their spread"
    assert words([0.0] * n) == "not separated, the values are equal"


@pytest.mark.parametrize("n", [6, 7, 8])
def test_better_never_stands_beside_an_interval_that_includes_zero(n: int) -> None:
    draw, said = np.random.default_rng(n), set()
    for _ in range(60):
        table = paired_comparisons.compare(frame(draw.normal(0.08, 0.08, n).tolist()), "pe", "test_acc", "a")
        row = paired_comparisons.pool_comparisons(table, *[table] * draw.integers(0, 3)).iloc[0]
        excludes = row["low"] > 0 or row["high"] < 0
        said.add(row["kind"])
        assert excludes == (row["p"] < 0.05) == (row["kind"] in ("better", "worse", "leaning better", "leaning worse"))
    assert {"better", "open"} <= said


def crossed_frame(shares: list[float], items: int = 200) -> pd.DataFrame:
    rows = []
    for seed, share in enumerate(shares):
        right = np.random.default_rng(seed).permutation(items) < share * items
        text = "".join("01"[bool(x)] for x in right)
        rows.append({"pe": "a", "seed": seed, "status": "done", "test_acc": right.mean(), "test_right": text})
    return pd.DataFrame(rows)


def test_a_fixed_answerer_is_met_item_by_item() -> None:
    runs, bag = crossed_frame([0.9, 0.91, 0.92]), "1" * 100 + "0" * 100
    row = paired_comparisons.compare_to_constant(runs, "pe", 0.5, bag, "bag").iloc[0]
    answers = np.array([[int(c) for c in text] for text in runs["test_right"]]) - np.array([int(c) for c in bag])
    own = min_f(answers)
    assert (row["p"], row["low"], row["high"], row["test"]) == (own.p, own.low, own.high, "min F'")
    assert (
        math.isclose(row["mean"], answers.mean()) and row["verdict"] == "better"
    )  # three seeds can, where items agree
    near = paired_comparisons.compare_to_constant(crossed_frame([0.5, 0.52, 0.54]), "pe", 0.5, bag, "bag").iloc[0]
    assert near["verdict"] == "not separated, it would take more test items"


def test_where_answers_to_items_are_not_known_there_is_no_verdict_and_no_p() -> None:
    runs, bag = crossed_frame([0.9, 0.91, 0.92]), "1" * 100 + "0" * 100
    gone = runs.assign(test_right=[*runs["test_right"][:2], ""])
    for found, right in ((runs, None), (runs, "1" * 199), (gone, bag), (runs.drop(columns="test_right"), bag)):
        table = paired_comparisons.compare_to_constant(found, "pe", 0.5, right, "bag")
        row = table.iloc[0]
        assert row["verdict"] == "not tested, the answers to each item are not known" and row["kind"] == "none"
        assert math.isnan(row["p"]) and math.isnan(row["p_holm"]) and table.attrs["comparisons"] == 0


def test_a_diverged_run_is_left_out_and_named() -> None:
    row = paired_comparisons.compare(frame([9.0, 0.1, 0.1, 0.1], status="diverged"), "pe", "test_acc", "a").iloc[0]
    assert row["n"] == 3 and math.isclose(row["mean"], 0.1)
    assert "3 of 4 seeds paired" in row["note"] and "1 diverged" in row["note"]


def test_a_constant_added_to_both_arms_changes_nothing_and_swapping_turns_the_sign() -> None:
    one = frame([0.1, 0.05, 0.2])
    moved = one.assign(test_acc=one["test_acc"] + 0.1)
    columns = ["mean", "low", "high", "p"]
    a, b = (paired_comparisons.compare(f, "pe", "test_acc", "a")[columns].to_numpy(float) for f in (one, moved))
    assert np.allclose(a, b)
    swapped = paired_comparisons.compare(one, "pe", "test_acc", "b")[columns].to_numpy(float)
    assert np.allclose(swapped[0], [-a[0][0], -a[0][2], -a[0][1], a[0][3]])
