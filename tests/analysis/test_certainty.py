"""How sure a study can be: over how many seeds and comparisons, and with how many seeds it could say more."""

from dataclasses import replace

import pandas as pd

from stackcli.analysis.certainty import describe_certainty
from stackcli.analysis.study_data import Frames
from stackcli.analysis.summary_text import summary_sentences
from tests.analysis.examples import answered, depth_study


def with_seeds(seeds: dict[int, int]) -> Frames:
    """The study with so many seeds of each depth, and without a bag of words."""
    found = depth_study()
    row = {depth: found.runs[found.runs["depth"] == depth].iloc[:1] for depth in seeds}
    rows = [row[depth].assign(seed=s, test_acc=0.7 + 0.01 * s * depth) for depth, n in seeds.items() for s in range(n)]
    return replace(found, runs=pd.concat(rows, ignore_index=True), facts={})


def test_every_comparison_of_a_study_is_in_one_family_and_counted() -> None:
    # 4 depths against depth 1, the gap of the two ends, 5 depths against the bag of words
    one = describe_certainty(answered(depth_study()))
    assert "over 3 seeds, all on the same split of the data; 10 comparisons, Holm-corrected; 3 seeds are too few" in one
    assert (
        "another, at least 9 are needed. For paired differences they are t intervals. Comparisons with the bag" in one
    )
    assert "Leaning: the interval, not corrected for the number of comparisons, excludes 0; about 0.5 of 10" in one
    two = describe_certainty(answered(depth_study(("depth", "residual"), ("pre", "post"))))
    assert "20 comparisons, Holm-corrected; 3 seeds are too few" in two and "at least 10 are needed" in two


def test_one_seed_gives_no_interval_and_no_claim() -> None:
    found = depth_study()
    found = replace(found, runs=found.runs[found.runs["seed"] == 0])
    text = " ".join(summary_sentences(found))
    assert "nan" not in text and "too few seeds to tell, at least 8 are needed" in text
    assert "1 seed is too few for an interval; all are on the same split of the data" in text
    assert "1 seed is too few to call a stack better than another" in describe_certainty(found)


def test_one_comparison_is_not_said_to_be_corrected() -> None:
    runs = with_seeds({1: 6, 2: 6}).runs.rename(columns={"depth": "dim"}).assign(depth=2)
    text = describe_certainty(replace(with_seeds({1: 1}), axes=("dim",), runs=runs))
    # 2 / 2^6 = .031 is below .05, 2 / 2^5 = .063 is not: six seeds are the least
    assert "; 1 comparison; 6 seeds are enough to call a stack better than another." in text


def test_points_with_different_numbers_of_seeds_name_both_and_both_kinds_of_interval() -> None:
    text = describe_certainty(with_seeds({1: 7, 2: 7, 4: 4}))
    assert text.startswith(
        "Intervals are over 4 to 7 seeds, all on the same split of the data; 3 comparisons, Holm-corrected; "
    )
    assert (
        "For paired differences they are those obtained by inverting the sign-flip test, below 6 pairs t intervals."
        in text
    )


def test_without_a_comparison_only_the_seeds_are_named() -> None:
    assert describe_certainty(with_seeds({4: 3})) == "Intervals are over 3 seeds, all on the same split of the data."


def test_without_a_finished_run_nothing_is_sure() -> None:
    found = depth_study()
    assert describe_certainty(replace(found, runs=found.runs.assign(status="failed"))) == "No run has finished."
