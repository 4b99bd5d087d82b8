"""How well the arms of a study can be explained."""

import math

import pytest

from stackcli.analysis import explanation_effects as effects
from tests.analysis.explanations import explained_study, printed
from tests.figures import factory

SCORES = {"cp_lrp": 2.0, "occlusion": 1.5, "rollout": 0.2}


def test_the_deepest_stack_is_compared_with_the_shallowest_paired_by_seed() -> None:
    frames = explained_study(factory.study({"depth": [1, 2, 4]}, seeds=8), SCORES)
    table = effects.explanation_differences(frames)
    assert list(table["method"]) == ["cp_lrp", "agreement", "occlusion", "rollout"]
    assert set(table["arm"]) == {4} and set(table["baseline"]) == {1}
    gaps = [-1.0 + 0.02 * seed for seed in range(8)]
    row = table.iloc[0]
    assert row["mean"] == pytest.approx(sum(gaps) / 8) and row["wins"] == 0 and row["n"] == 8
    assert row["low"] < row["mean"] < row["high"] < -0.8
    assert row["verdict"] == "worse" and row["p_holm"] == pytest.approx(2 * 2 / 2**8)
    assert not table[~table["tested"]]["verdict"].any() and table[~table["tested"]]["p"].isna().all()


def test_a_smaller_value_of_depth_is_the_baseline_in_whatever_order_they_were_typed() -> None:
    frames = explained_study(factory.study({"depth": [4, 1]}, seeds=3), SCORES)
    assert set(effects.explanation_differences(frames)["baseline"]) == {1}


def test_every_other_value_of_an_axis_of_names_is_compared_with_the_first() -> None:
    frames = explained_study(factory.study({"pe": ["none", "rope", "learned"], "depth": [1, 2]}, seeds=3), SCORES)
    table = effects.explanation_differences(frames)
    tested = table[table["tested"]]
    assert list(zip(tested["where"], tested["arm"], tested["method"], strict=True)) == [
        (where, arm, method)
        for where in ("depth=1", "depth=2")
        for method in ("cp_lrp", "agreement")
        for arm in ("rope", "learned")
    ]


def test_the_table_has_the_means_of_each_point_and_fits_80_columns() -> None:
    frames = explained_study(factory.study({"depth": [1, 2], "residual": ["pre", "post"]}), SCORES)
    text = printed(effects.explanation_table(frames))
    rows = [line.split() for line in text.split("\n")]
    assert ["1", "pre", "2.01", "1.51", ".21", ".50", "3.0"] in rows
    assert ["2", "post", "1.52", "1.02", "-.28", ".40", "4.0"] in rows
    assert max(map(len, text.split("\n"))) <= 80


def test_the_sentences_name_controls_comparisons_and_methods_that_fail() -> None:
    frames = explained_study(factory.study({"depth": [1, 2]}, seeds=8), SCORES)
    said = effects.explanation_sentences(frames)
    assert said[0].startswith(
        "For scale: on a bag of words whose weights are known, a perfect explanation has a faithfulness of 4.00"
    )
    assert said[1] == "No more faithful than a random order: rollout at depth=2."
    nearly = "Nearly the same numbers for an untrained stack (rank correlation above 0.5): "
    assert said[2] == f"{nearly}rollout at every point."


def test_controls_that_the_scores_do_not_tell_apart_are_not_believed() -> None:
    frames = explained_study(factory.study({"depth": [1, 2]}, seeds=2), SCORES)
    frames.scores.loc[frames.scores["method"] == "perfect", "faithfulness"] = 0.05
    assert "cannot be trusted" in effects.explanation_sentences(frames)[0]


def test_a_method_without_a_number_is_a_bar_and_no_explanations_are_no_sentences() -> None:
    plain = factory.study({"depth": [1, 2]})
    assert effects.explanation_sentences(plain) == [] and effects.explanation_differences(plain).empty
    frames = explained_study(plain, SCORES)
    frames.scores.loc[frames.scores["method"] == "rollout", "faithfulness"] = math.nan
    rows = [line.split() for line in printed(effects.explanation_table(frames)).split("\n")]
    assert ["1", "2.01", "1.51", "-", ".50", "3.0"] in rows


def test_the_tested_comparisons_are_a_table_of_at_most_80_columns() -> None:
    axes = {"pe": ["none", "sinusoidal", "learned"], "data": ["subjects", "digits"]}
    (_, _), (title, table) = effects.explanation_tables(explained_study(factory.study(axes, seeds=8), SCORES))
    assert (
        title == "faithfulness of cp_lrp and agreement of methods against pe=none, paired by seed"
        and table.row_count == 8
    )
    text = printed(table)
    assert max(map(len, text.split("\n"))) <= 80 and "…" not in text
    alone = effects.comparison_table(explained_study(factory.study({"depth": [1, 2]}, seeds=8), SCORES))
    row = next(line.split() for line in printed(alone).split("\n") if "agreement" in line)
    assert row[:3] == ["2", "agreement", "-0.10"] and "0/8" in row and row[-1] == "worse"
    one = explained_study(factory.study(seeds=2), SCORES)
    assert effects.comparison_table(one) is None and len(effects.explanation_tables(one)) == 1


def test_two_arms_may_share_a_run() -> None:
    frames = factory.study({"arm": ["one", "two"]}, seeds=3)
    frames.runs["run"] = [f"same/{seed}" for seed in frames.runs["seed"]]
    found = effects.run_values(explained_study(frames, SCORES, slope=0.0))
    assert len(found) == 6 and found.groupby("arm")["cp_lrp"].mean().nunique() == 1
