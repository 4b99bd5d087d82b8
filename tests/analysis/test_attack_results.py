"""Shares of attacks, and signs that gradients mislead."""

from math import comb

import pytest

from stackcli.analysis.attack_results import describe_disagreement, find_shares, more_flips, warn_of_masking
from stackcli.analysis.statistics import wilson
from tests.analysis.attacks import row


def test_of_ten_items_seven_right_and_three_flipped_three_are_skipped() -> None:
    shares = find_shares(row())
    assert shares.clean.mean == 0.7 and shares.attacked.mean == 0.4 and shares.random.mean == 0.6
    assert shares.success == wilson(3, 7) and shares.success.mean == pytest.approx(3 / 7) and shares.skipped == 3


def test_only_what_is_typed_counts_as_success() -> None:
    shares = find_shares(row("pgd", typed=1))
    assert shares.attacked.mean == 0.4 and shares.success == wilson(1, 7)


@pytest.mark.parametrize(("more", "fewer"), [(5, 0), (4, 0), (7, 1), (6, 1), (9, 2), (8, 2)])
def test_more_flips_is_the_exact_binomial_test_of_the_items_that_one_of_them_flips(more: int, fewer: int) -> None:
    both = more + fewer
    p = sum(comb(both, k) for k in range(more, both + 1)) / 2**both
    flips, others = "1" * more + "0" * fewer + "110", "0" * more + "1" * fewer + "110"
    assert more_flips(flips, others) == (p < 0.05)
    assert not more_flips(others, flips)


EIGHT, NONE = "1" * 8, "0" * 8


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(flips=NONE, control_flips=EIGHT)], "random changes flip more items than hotflip at 3"),
        (
            [row(flips=NONE, control_flips=NONE), row("substitution", flips=EIGHT, control_flips=NONE)],
            "substitution, which sees no gradients, flips more items than hotflip at 3, 8 against 0",
        ),
        (
            [row("fgm", flips=EIGHT, control_flips=NONE), row("pgd", flips=NONE, control_flips=NONE)],
            "pgd with 10 steps flips fewer items than fgm with 1 at 3",
        ),
        (
            [
                row("fgm", flips=EIGHT, control_flips=NONE),
                row("fgm", flips=NONE, control_flips=NONE, budget=5.0),
            ],
            "fgm at 5 flips fewer items than at 3",
        ),
        (
            [row("fgm", flips=NONE, control_flips=NONE, unmoved=6)],
            "the gradient is 0 for 6 of 8 items, which fgm so leaves as they are; fgm.of=margin attacks them",
        ),
    ],
)
def test_a_sign_that_gradients_mislead_is_said(rows: list[dict[str, object]], said: str) -> None:
    assert warn_of_masking(rows) == [f"Gradient masking suspected: {said}."]


def test_attacks_that_behave_raise_no_suspicion() -> None:
    rows = [row(budget=1.0, flips="1000000"), row(), row("substitution", flips="1100000")]
    rows += [row("fgm", flips="1100000"), row("pgd"), row("typo", flips="1111111")]
    assert warn_of_masking(rows) == []


def test_inputs_that_a_fresh_stack_answers_otherwise_are_counted() -> None:
    assert describe_disagreement([row(), row("typo")]).endswith("the same answers to all 14 saved inputs.")
    said = describe_disagreement([row(disagree=1), row("typo", disagree=2)])
    assert "answers 3 of 14 saved inputs otherwise than the attack saw, most of typo" in said
