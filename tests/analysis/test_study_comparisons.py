"""Every comparison of a study, corrected as one family."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackcli.analysis.statistics import holm
from stackcli.analysis.study_comparisons import LEANING, all_comparisons, metric_of, name_value, same_value
from stackcli.analysis.study_data import Frames
from tests.analysis.examples import answered, depth_study, encoding_study


@pytest.mark.parametrize(
    ("axis", "value", "words"),
    [
        ("depth", 4, "depth 4"),
        ("pe", "rope", "pe=rope"),
        ("arm", "two layers", "two layers"),
        ("causal", True, "causal=true"),
        ("pe.clip", math.nan, "pe.clip=-"),
    ],
)
def test_a_value_of_an_axis_is_named_as_a_reader_would_type_it(axis: str, value: object, words: str) -> None:
    assert name_value(axis, value) == words


def test_a_setting_that_neither_point_has_is_the_same_value() -> None:
    assert same_value(math.nan, None) and same_value(4, 4.0)
    assert not same_value(math.nan, 4) and not same_value("pre", "post")


def test_runs_are_ranked_by_excess_loss_where_the_entropy_of_their_data_is_known() -> None:
    frames = encoding_study(entropy=1.5)
    by_data = {str(data): metric_of(frames, runs) for data, runs in frames.runs.groupby("data")}
    assert by_data == {"subjects": "test_acc", "markov": "test_excess"}
    assert metric_of(frames, frames.runs) == "test_acc"  # two data sets: there is no one entropy


def test_holm_corrects_over_the_parts_of_a_study_together() -> None:
    parts = all_comparisons(answered(depth_study(("depth", "residual"), ("pre", "post"))))
    assert [part.where for part in parts] == ["residual=pre", "residual=post"]
    tables = [table for part in parts for table in (part.accuracy, part.gap, part.bag)]
    assert [len(table) for table in tables] == [4, 1, 5] * 2
    p, corrected = (np.concatenate([table[column] for table in tables]) for column in ("p", "p_holm"))
    assert np.allclose(corrected, holm(p)) and (corrected > p).any()


def test_the_gap_is_compared_between_the_two_ends_of_depth_only() -> None:
    (part,) = all_comparisons(depth_study())
    assert part.gap[["arm", "baseline", "metric"]].to_numpy().tolist() == [[16, 1, "gap_end"]]
    frames = depth_study(("residual",), ("pre", "post"))
    (other,) = all_comparisons(replace(frames, runs=frames.runs[frames.runs["depth"] == 4]))
    assert other.gap.empty and len(other.accuracy) == 1


def test_encodings_that_differ_by_less_than_half_a_percent_are_equivalent_for_compare_pe_alone() -> None:
    frames = encoding_study()
    runs = frames.runs[frames.runs["data"] == "subjects"].copy()
    runs["test_acc"] = 0.8 + 0.0001 * runs["seed"] * np.where(runs["seed"] % 2, 1, -1) * (runs["pe"] != "learned")
    frames = replace(frames, axes=("pe",), runs=runs)
    (part,) = all_comparisons(frames)
    assert part.accuracy["kind"].tolist() == ["equivalent", "equivalent"]
    (part,) = all_comparisons(replace(frames, command="sweep"))
    assert part.accuracy["kind"].tolist() == ["open", "open"]


def test_without_an_accuracy_of_the_bag_of_words_it_is_not_compared() -> None:
    subjects, markov = all_comparisons(encoding_study())
    assert subjects.score == 0.81 and len(subjects.bag) == 3
    assert math.isnan(markov.score) and markov.bag.empty


def null(draw: np.random.Generator, seeds: int, items: int = 334) -> Frames:
    """Five depths with the same expected accuracy, that of the bag of words, and the same expected gap. Runs of one
    seed share half of the variance of seeds, and all runs share which items are hard."""
    chance = 1 / (1 + np.exp(-2.25 - draw.normal(size=items)))
    slope = chance * (1 - chance) / (chance * (1 - chance)).mean()
    common, rows = draw.normal(size=(2, seeds)), []
    for depth in (1, 2, 4, 8, 16):
        for seed in range(seeds):
            acc, gap = (common[:, seed] + draw.normal(size=2)) * 0.5**0.5
            right = draw.random(items) < chance + 0.012 * acc * slope
            row = {"run": f"{depth}/{seed}", "arm": "", "point": f"depth={depth}", "status": "done", "depth": depth}
            row |= {"data": "subjects", "seed": seed, "test_acc": right.mean(), "gap_end": 0.5 + 0.05 * gap}
            rows.append(row | {"test_right": "".join("01"[bool(x)] for x in right)})
    bag = draw.random(items) < chance
    facts = {"tfidf_acc": float(bag.mean()), "tfidf_right": "".join("01"[bool(x)] for x in bag)}
    return replace(depth_study(), runs=pd.DataFrame(rows), facts={"subjects": facts})


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 9])
def test_where_nothing_differs_verdicts_are_as_rare_as_the_readme_says(seeds: int) -> None:
    draw, leaning, claims = np.random.default_rng(seeds), [], []
    for _ in range(120):
        part = all_comparisons(null(draw, seeds))[0]
        kinds = [kind for table in (part.accuracy, part.gap, part.bag) for kind in table["kind"]]
        assert len(kinds) == 10
        leaning.append(sum(kind in LEANING for kind in kinds))
        claims.append(any(kind in ("better", "worse") for kind in kinds))
    assert 0.1 < np.mean(leaning) < 0.5 + 0.25  # 0.5 such words in 10, and three standard errors
    assert 0.1 < np.mean(np.array(leaning) > 0) < 0.42 and np.mean(claims) < 0.05 + 0.06
