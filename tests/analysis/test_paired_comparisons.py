"""Comparisons of arms, paired by seed."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from stackcli.analysis import paired_comparisons
from stackcli.analysis.crossed_items import min_f


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


def crossed_frame(shares: list[float], items: int = 200) -> pd.DataFrame:
    rows = []
    for seed, share in enumerate(shares):
        right = np.random.default_rng(seed).permutation(items) < share * items
        text = "".join("01"[bool(x)] for x in right)
        rows.append({"pe": "a", "seed": seed, "status": "done", "test_acc": right.mean(), "test_right": text})
    return pd.DataFrame(rows)


def test_the_verdict_follows_from_the_differences() -> None:
    clear = [0.1, 0.11, 0.09, 0.1, 0.12, 0.1, 0.1, 0.11]
    assert words(clear) == "better"
    assert words([-g for g in clear]) == "worse"
    assert words(clear[:3]) == "leaning better" and words([-g for g in clear[:3]]) == "leaning worse"
    assert words([0.001, -0.001, 0.0005, -0.0005], margin=0.01) == "equivalent within 0.01"
    effect = np.mean([0.1, -0.08, 0.05]) / np.std([0.1, -0.08, 0.05], ddof=1)
    power = (scipy_stats.nct.sf(scipy_stats.t.ppf(0.975, n - 1), n - 1, effect * n**0.5) for n in range(21, 999))
    least = next(n for n, found in enumerate(power, start=21) if found >= 0.8)
    assert words([0.1, -0.08, 0.05]) == f"too few seeds to tell, about {least} seeds would be needed"
    assert words([1e-3, -1e-3, 1e-5]) == "too few seeds to tell, over 10000 seeds would be needed"
    assert words([0.1, -0.08, 0.05] * 2).startswith("not separated, about ")  # 6 pairs can reach .05, 5 cannot
    assert words(([0.1, -0.08, 0.05] * 2)[:5]).startswith("too few seeds to tell, about ")


def test_the_seeds_that_would_tell_are_more_than_there_are_and_enough_for_a_claim() -> None:
    assert words([0.1, 0.21, 0.019]) == "too few seeds to tell, about 9 seeds would be needed"  # d_z 1.14
    assert words([0.1, 0.11, -0.001, 0.1, 0.12, 0.1]).endswith("about 7 seeds would be needed")


def test_fewer_than_three_pairs_give_no_interval_and_no_leaning() -> None:
    said = "too few seeds to tell, at least 6 are needed"  # 2 / 2^6 is the first below .05
    for gaps in ([0.1, 0.1], [0.1, 0.12], [0.1]):
        row = paired_comparisons.compare(frame(gaps), "pe", "test_acc", "a").iloc[0]
        assert math.isnan(row["low"]) and math.isnan(row["high"]) and row["verdict"] == said
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


def test_a_fixed_classifier_is_compared_item_by_item() -> None:
    runs, bag = crossed_frame([0.9, 0.91, 0.92]), "1" * 100 + "0" * 100
    row = paired_comparisons.compare_to_constant(runs, "pe", 0.5, bag, "bag").iloc[0]
    answers = np.array([[int(c) for c in text] for text in runs["test_right"]]) - np.array([int(c) for c in bag])
    own = min_f(answers)
    assert (row["p"], row["low"], row["high"], row["test"]) == (own.p, own.low, own.high, "min F'")
    # three seeds are enough where the items agree
    assert math.isclose(row["mean"], answers.mean()) and row["verdict"] == "better"
    near = paired_comparisons.compare_to_constant(crossed_frame([0.5, 0.52, 0.54]), "pe", 0.5, bag, "bag").iloc[0]
    assert near["verdict"] == "not separated, more test items would be needed"


def test_without_the_answers_to_items_there_is_no_verdict_and_no_p() -> None:
    runs, bag = crossed_frame([0.9, 0.91, 0.92]), "1" * 100 + "0" * 100
    partly = runs.assign(test_right=[*runs["test_right"][:2], ""])
    for found, right in ((runs, None), (runs, "1" * 199), (partly, bag), (runs.drop(columns="test_right"), bag)):
        table = paired_comparisons.compare_to_constant(found, "pe", 0.5, right, "bag")
        row = table.iloc[0]
        assert row["verdict"] == "not tested, the answers to each item are not known" and row["kind"] == "none"
        assert math.isnan(row["p"]) and math.isnan(row["p_holm"]) and table.attrs["comparisons"] == 0


def test_a_diverged_run_is_left_out_and_named() -> None:
    row = paired_comparisons.compare(frame([9.0, 0.1, 0.1, 0.1], status="diverged"), "pe", "test_acc", "a").iloc[0]
    assert row["n"] == 3 and math.isclose(row["mean"], 0.1)
    assert "3 of 4 seeds paired" in row["note"] and "1 diverged" in row["note"]


def test_a_constant_added_to_both_arms_changes_nothing_and_swapping_them_changes_the_sign() -> None:
    one = frame([0.1, 0.05, 0.2])
    moved = one.assign(test_acc=one["test_acc"] + 0.1)
    columns = ["mean", "low", "high", "p"]
    a, b = (paired_comparisons.compare(f, "pe", "test_acc", "a")[columns].to_numpy(float) for f in (one, moved))
    assert np.allclose(a, b)
    swapped = paired_comparisons.compare(one, "pe", "test_acc", "b")[columns].to_numpy(float)
    assert np.allclose(swapped[0], [-a[0][0], -a[0][2], -a[0][1], a[0][3]])


def test_equal_answers_are_said_to_be_equal_and_unknown_ones_unknown() -> None:
    def told(right: list[str], bag: str) -> str:
        runs = pd.DataFrame({"depth": 1, "seed": range(3), "status": "done", "test_right": right})
        runs["test_acc"] = [r.count("1") / max(1, len(r)) for r in right]
        score = bag.count("1") / max(1, len(bag))
        return str(paired_comparisons.compare_to_constant(runs, "depth", score, bag, "bag")["verdict"].iloc[0])

    assert told(["1" * 40] * 3, "1" * 40) == "the answers are equal"
    assert told(["0" * 40] * 3, "1" * 40) == "not tested, as all differences are equal"
    assert told([""] * 3, "1" * 40) == "not tested, the answers to each item are not known"


@pytest.mark.parametrize(
    ("metric", "higher"),
    [
        *((name, True) for name in ("test_acc", "val_acc", "macro_f1")),
        *((name, False) for name in ("val_loss_end", "gap_end", "acc_gap", "test_excess", "step_ms", "step_ms_same")),
        *((name, False) for name in ("seconds", "params", "flops")),
    ],
)
def test_which_way_a_metric_is_better(metric: str, higher: bool) -> None:
    assert paired_comparisons.higher_is_better(metric) == higher


def test_a_metric_that_is_neither_better_nor_worse_is_refused() -> None:
    with pytest.raises(ValueError, match="grad_ratio_init: neither higher nor lower is better"):
        paired_comparisons.higher_is_better("grad_ratio_init")


def test_losses_are_compared_as_ratios_and_the_lower_one_wins() -> None:
    base = frame([0.0, 0.0, 0.0]).rename(columns={"test_acc": "val_loss"})
    ratios = [0.5, 0.4, 0.6]
    base.loc[base["pe"] == "b", "val_loss"] *= ratios
    row = paired_comparisons.compare(base, "pe", "val_loss", "a").iloc[0]
    assert row["scale"] == "ratio" and row["wins"] == 3
    assert math.isclose(row["mean"], scipy_stats.gmean(ratios))
    log = scipy_stats.ttest_1samp(np.log(ratios), 0).confidence_interval(0.95)
    assert np.allclose([row["low"], row["high"]], np.exp([log.low, log.high]))


def test_a_margin_of_a_ratio_is_a_share() -> None:
    base = frame([0.0] * 4).rename(columns={"test_acc": "val_loss"})
    logs = [0.4, -0.4, 0.4, -0.4]
    base.loc[base["pe"] == "b", "val_loss"] *= np.exp(logs)
    bound = scipy_stats.ttest_1samp(logs, 0).confidence_interval(0.95).high
    assert math.log(1 + 1.0) < bound < math.log(1 + 1.2)  # a factor of 2, and of 2.2
    kinds = [paired_comparisons.compare(base, "pe", "val_loss", "a", margin)["kind"][0] for margin in (1.0, 1.2)]
    assert kinds == ["open", "equivalent"]


def test_a_seed_that_only_one_arm_has_is_not_paired_and_is_called_missing() -> None:
    runs = frame([0.1, 0.2, 0.3, 0.4])
    row = paired_comparisons.compare(runs.iloc[:-1], "pe", "test_acc", "a").iloc[0]
    assert (row["n"], row["planned"]) == (3, 4) and math.isclose(row["mean"], 0.2)
    assert row["note"] == "3 of 4 seeds paired; arm: 1 missing"


def test_a_finished_run_without_the_number_is_not_measured() -> None:
    runs = frame([0.1, 0.2, 0.3, 0.4])
    runs.loc[(runs["pe"] == "a") & (runs["seed"] == 3), "test_acc"] = math.inf
    row = paired_comparisons.compare(runs, "pe", "test_acc", "a").iloc[0]
    assert row["note"] == "3 of 4 seeds paired; baseline: 1 not measured"


def test_without_a_pair_there_is_no_verdict() -> None:
    runs = frame([0.1, 0.2]).assign(status="failed")
    row = paired_comparisons.compare(runs, "pe", "test_acc", "a").iloc[0]
    assert (row["n"], row["kind"], row["verdict"]) == (0, "none", "no pairs") and math.isnan(row["p"])


def test_an_unknown_baseline_and_two_runs_of_one_seed_are_refused() -> None:
    runs = frame([0.1, 0.2])
    with pytest.raises(ValueError, match="pe=c: no such arm; choose from a, b"):
        paired_comparisons.compare(runs, "pe", "test_acc", "c")
    with pytest.raises(ValueError, match="pe=a has two runs of one seed"):
        paired_comparisons.compare(pd.concat([runs, runs.iloc[:1]]), "pe", "test_acc")


def test_pooled_tables_are_corrected_for_all_their_rows() -> None:
    table = paired_comparisons.compare(frame([0.1, 0.11, 0.12, 0.13, 0.14, 0.15]), "pe", "test_acc", "a")
    assert table["p_holm"][0] == 2 / 2**6 and table["kind"][0] == "better"
    both = paired_comparisons.pool_comparisons(table, table)
    assert both["p_holm"].tolist() == [4 / 2**6] * 2 and both["kind"].tolist() == ["leaning better"] * 2
    assert both.attrs["comparisons"] == 2


def test_the_matched_gap_is_read_on_the_straight_line_between_two_evaluations() -> None:
    """The lowest train loss that both reach is 0.4; run a passes it half-way between 0.6 and 0.2."""
    a = pd.DataFrame({"run": "a", "step": [0, 10, 20], "train_loss": [1.0, 0.6, 0.2], "val_loss": [1.0, 0.7, 0.5]})
    b = pd.DataFrame({"run": "b", "step": [0, 10, 20], "train_loss": [1.0, 0.4, 0.5], "val_loss": [1.1, 0.9, 1.5]})
    shuffled = pd.concat([a, b]).sample(frac=1, random_state=0)
    target, gaps = paired_comparisons.matched_gap(shuffled)
    assert target == 0.4
    assert gaps["a"] == pytest.approx((0.1 + 0.3) / 2) and gaps["b"] == pytest.approx(0.5)


def test_a_run_that_begins_at_the_matched_loss_has_no_matched_gap() -> None:
    curve = pd.DataFrame({"run": list("aabb"), "step": [0, 1] * 2, "train_loss": [0.5, 0.6, 0.9, 0.4]})
    target, gaps = paired_comparisons.matched_gap(curve.assign(val_loss=1.0))
    assert target == 0.5 and math.isnan(gaps["a"])
    assert gaps["b"] == pytest.approx(0.5)  # 1 - 0.5, whatever the train loss was between


def test_only_finished_runs_are_kept() -> None:
    runs = pd.DataFrame({"run": list("abcde"), "status": ["done", "diverged", "failed", "lost", "missing"]})
    assert paired_comparisons.finished_runs(runs)["run"].tolist() == ["a"]
