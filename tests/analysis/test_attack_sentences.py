"""What is said about the attacks on the runs of a study."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from stackcli.analysis import attack_sentences as said
from stackcli.analysis.attack_effects import attack_shares
from stackcli.analysis.study_data import Frames
from tests.analysis.attacked_studies import attacked_study
from tests.figures import factory


def changed(frames: Frames, attack: str, **values: Any) -> Frames:
    """The study with other values in the rows of an attack; a value may be a function of the rows."""
    rows = frames.attacks.copy()
    at = rows["attack"] == attack
    for name, value in values.items():
        rows[name] = rows[name].astype(object)
        rows.loc[at, name] = value(rows[at]) if callable(value) else value
    return replace(frames, attack_rows=lambda: rows)


def test_an_attack_is_named_beside_random_changes_of_its_size() -> None:
    (first, *_) = said.attack_sentences(attacked_study(factory.study({"depth": [1]}, seeds=2)))
    assert first == (
        "hotflip with 5 changed words takes accuracy from .80 to .40, as many random changes to .70 "
        "(means over 2 runs)."
    )
    both = attacked_study(factory.study({"data": ["subjects", "order"]}, seeds=1))
    assert said.attack_sentences(both)[:2] == [
        f"With data={name}, hotflip with 5 changed words takes accuracy from .80 to {left}, as many random changes to "
        f"{r}."
        for name, left, r in (("subjects", ".40", ".70"), ("order", ".36", ".69"))
    ]
    (one, *_) = said.attack_sentences(attacked_study(factory.study(seeds=1)))
    assert one.endswith("random changes to .70.")


def test_arms_that_are_easier_or_harder_to_fool_are_named_with_the_attack() -> None:
    frames = attacked_study(factory.study({"pe": ["learned", "relative", "none"]}, seeds=10))
    assert said.describe_verdicts(frames) == [
        "Easier to fool than pe=learned: pe=relative by hotflip 3 and shift 5; pe=none by hotflip 3 and shift 5.",
        "Of the attacks, hotflip 3 and shift 5 are tested, as declared in advance: 4 comparisons, Holm-corrected.",
    ]
    falling = attacked_study(factory.study({"depth": [1, 4]}, seeds=3), {"hotflip": 12, "shift": 1}, slope=-9.0)
    falling = changed(falling, "shift", flipped=4, changed=4)
    assert said.describe_verdicts(falling) == [
        "Leaning harder to fool than depth 1: depth 4 by hotflip 3.",
        "Not separated from depth 1: depth 4 by shift 5.",
        "Of the attacks, hotflip 3 and shift 5 are tested, as declared in advance: 2 comparisons, Holm-corrected.",
    ]
    few = attacked_study(factory.study({"depth": [1, 4]}, seeds=2))
    assert said.describe_verdicts(few)[:1] == ["Too few seeds to tell from depth 1: depth 4 by hotflip 3 and shift 5."]


def test_attacks_that_do_no_more_than_random_changes_are_named_with_their_points() -> None:
    frames = attacked_study(factory.study({"depth": [1, 2]}))
    assert said.describe_weakness(attack_shares(frames)) == []
    frames = changed(frames, "windows", control=lambda rows: rows["flipped"])
    frames = changed(frames, "prefix", control=lambda rows: rows["flipped"] * (rows["depth"] == 2))
    assert said.describe_weakness(attack_shares(frames)) == [
        "Flips no more than random changes of the same size, as far as these seeds tell: windows at every "
        "point; prefix at depth=2."
    ]


@pytest.mark.parametrize(
    ("gaps", "no_more"), [([1, 2, 3], False), ([0, 1, 2], True), ([0, 0, 0], True), ([1, 2], False), ([0, 0], True)]
)
def test_an_attack_flips_more_if_the_interval_over_seeds_lies_above_0(gaps: list[int], no_more: bool) -> None:
    # of 1, 2, 3 the mean is 2 and the half width 4.303 / 3**0.5 = 2.48: the interval of 2, 3, 4 lies above 0
    rows = attack_shares(attacked_study(factory.study({"depth": [1]}, seeds=len(gaps)))).drop_duplicates("run")
    more = [gap + (1 if gaps == [1, 2, 3] else 0) for gap in gaps]
    assert said.flips_no_more(rows.assign(success=more, random_success=0.0)) == no_more


def test_an_attack_that_leaves_every_item_as_it_is_is_not_compared_with_random_changes() -> None:
    frames = changed(attacked_study(factory.study({"depth": [1, 2]})), "shift", still=80, flipped=0, control=0)
    assert said.describe_weakness(attack_shares(frames)) == [
        "Every item is left as it is, so that nothing is measured: shift at every point."
    ]


def test_the_runs_with_signs_of_gradient_masking_are_counted() -> None:
    warning = "Gradient masking suspected: random changes flip more items than pgd at 1."
    frames = attacked_study(factory.study({"depth": [1, 2]}), masking=f"{warning} {warning}")
    rows = frames.attacks
    rows.loc[rows["depth"] == 1, "masking"] = ""
    (found,) = said.describe_masking(attack_shares(frames))
    assert found == (
        "Gradient masking suspected in 3 of 6 runs; at depth=2 seed=0: random changes flip more items than pgd at 1. "
        "Such stacks may be easier to fool than attacks with gradients show."
    )
    assert said.describe_masking(attack_shares(attacked_study(factory.study()))) == []


def predicted(frames: Frames, attack: str, by: Mapping[str, bool], counts: Mapping[str, int]) -> Frames:
    """The study with predictions and changed answers of an attack, by encoding."""
    return changed(
        frames,
        attack,
        predicted=lambda rows: rows["pe"].map(by).astype(object),
        changed=lambda rows: rows["pe"].map(counts),
    )


def test_what_check_predicts_is_said_beside_what_is_measured() -> None:
    frames = attacked_study(factory.study({"pe": ["learned", "relative", "alibi"]}))
    by = {"learned": True, "relative": False, "alibi": False}
    frames = predicted(frames, "shift", by, {"learned": 2, "relative": 0, "alibi": 0})
    assert said.describe_predictions(frames, attack_shares(frames)) == [
        "check predicts that a shift changes nothing for pe=relative, alibi; measured: 0 of 480 answers changed.",
        "check predicts that a shift changes the logits for pe=learned; measured: 6 of 240 answers changed.",
    ]
    other = predicted(frames, "shift", by, {"learned": 0, "relative": 0, "alibi": 1})
    assert said.describe_predictions(other, attack_shares(other)) == [
        "check predicts that a shift changes nothing for pe=relative, alibi, but 3 of 480 answers changed: "
        "prediction and measurement disagree.",
        "check predicts that a shift changes the logits for pe=learned; measured: 0 of 240 answers changed, as the "
        "change of the logits is too small.",
    ]


def test_items_without_room_for_a_shift_are_not_counted_as_a_prediction_that_holds() -> None:
    frames = attacked_study(factory.study({"depth": [1, 2]}, seeds=1))
    rows = changed(frames, "reversal", predicted=False, changed=0, still=30)
    assert said.describe_predictions(rows, attack_shares(rows)) == [
        "check predicts that a reversal changes nothing; measured: 0 of 100 answers changed."
    ]
    rows = changed(frames, "reversal", predicted=False, changed=0, still=80)
    assert said.describe_predictions(rows, attack_shares(rows)) == []


def test_predictions_that_the_encoding_does_not_decide_name_the_points() -> None:
    frames = attacked_study(factory.study({"pe": ["none", "rope"], "causal": [False, True]}, seeds=1))
    rows = changed(frames, "reversal", predicted=lambda own: own["causal"] | (own["pe"] == "rope"), changed=1)
    found = said.describe_predictions(rows, attack_shares(rows))
    assert found[0].startswith("check predicts that a reversal changes nothing for pe=none causal=False, but 1 of 80")
    assert "the logits for pe=none causal=True; pe=rope causal=False; pe=rope causal=True; measured: 3 of" in found[1]


def test_attacks_that_may_change_the_class_are_named_and_what_counts_where_it_is_known() -> None:
    frames = attacked_study(factory.study({"depth": [1]}))
    assert said.describe_labels(attack_shares(frames)) == ["hotflip, windows and reversal may change the true class."]
    known = changed(frames, "reversal", changed=0)
    assert said.describe_labels(attack_shares(known)) == [
        "hotflip, windows and reversal may change the true class; where the data know it, that class counts as right, "
        "and an answer that stays may be wrong."
    ]
    typo = attacked_study(factory.study({"depth": [1]}), {"typo": 3})
    assert said.describe_labels(attack_shares(typo)) == []


def test_without_attacks_nothing_is_said() -> None:
    assert said.attack_sentences(factory.study({"depth": [1, 2]})) == []
    assert said.join_some(["a", "b"], 1) == "a; and 1 more" and said.join(["a", "b", "c"]) == "a, b and c"
    assert said.join_stacks(["pe=a", "pe=b"]) == "pe=a, b"
    assert said.join_stacks(["pe=a x=1", "pe=b"]) == "pe=a x=1; pe=b"
