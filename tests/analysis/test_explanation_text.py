"""An explanation in words and tables."""

from typing import Any

import pytest

from stackcli.analysis import explanation_text as text
from tests.analysis.explanations import METHODS, ROW, printed


def test_the_sentence_names_the_strongest_tokens_of_each_side() -> None:
    said = text.describe_tokens(ROW["tokens"], (0.0, 2.0, 0.1, -1.0), "Biology", "occlusion", signed=True)
    assert said == "'enzyme' speaks for Biology, 'mass' against it (occlusion)."
    alone = text.describe_tokens(("a", "b"), (0.0, 0.0), "Biology", "occlusion", signed=True)
    assert alone == "no token speaks for or against Biology (occlusion)."
    twice = text.describe_tokens(("a", "b", "a"), (1.0, 0.5, 0.9), "Biology", "occlusion", signed=True)
    assert twice == "'a' and 'b' speak for Biology (occlusion)."
    only = text.describe_tokens(("a", "b"), (-1.0, 0.0), "Biology", "occlusion", signed=True)
    assert only == "'a' speaks against Biology (occlusion)."
    shares = text.describe_tokens(("a", "b"), (0.5, 0.5), "Biology", "rollout", signed=False)
    assert shares == "'a' and 'b' matter most for Biology (rollout)."


@pytest.mark.parametrize(("names", "said"), [([], ""), (["a"], "'a'"), (["a", "b", "c"], "'a', 'b' and 'c'")])
def test_names_are_joined_as_in_a_sentence(names: list[str], said: str) -> None:
    assert text.join_words(names) == said


def test_the_strongest_token_has_the_full_colour_and_one_without_a_number_has_none() -> None:
    found = text.colour_tokens(("a", "b", "c"), (2.0, -2.0, 0.0), signed=True)
    styles = [str(span.style) for span in found.spans]
    assert styles == ["white on rgb(38,114,190)", "white on rgb(200,70,50)", "black on rgb(255,255,255)"]


def test_everything_is_printed_in_80_columns() -> None:
    lines = "".join(printed(part) for part in text.describe_explanation(ROW)).split("\n")
    assert max(map(len, lines)) <= 80 and sum("sum 0.4% off" in line for line in lines) == 1


def test_tokens_that_are_not_shown_are_counted() -> None:
    said = "2 of 4 tokens, those with the largest numbers of integrated; --tokens 0: all"
    for most, expected in ((0, 0), (2, 1), (4, 0)):
        assert "".join(map(printed, text.describe_explanation(ROW, most))).count(said) == expected


def test_a_method_says_its_baseline_and_what_another_one_gives() -> None:
    (said,) = text.describe_methods(ROW)
    assert said == (
        "integrated: from the baseline zero, 16 points, sum 0.4% off; rank correlation with the numbers from the "
        "baseline mean: 0.80."
    )
    inexact = {**METHODS["integrated"], "error": 0.03, "other_baseline": {"mean": None}}
    (said,) = text.describe_methods({**ROW, "methods": {"integrated": inexact}})
    assert "3.0% off (more than 1 %, although no more points are allowed)" in said and said.endswith("unknown.")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, []),
        ({"deletion": 0.0}, ["deletion no better than a random order"]),
        ({"insertion": -0.1}, ["insertion no better than a random order"]),
        ({"sanity": {"classifier": 0.9, "input": 0.1}}, []),
        ({"sanity": {"classifier": 0.1, "input": 0.6}}, ["the same for an untrained stack"]),
        ({"sanity": {"input": None}}, []),
    ],
)
def test_a_method_that_fails_is_named(changes: dict[str, Any], why: list[str]) -> None:
    scores = {**METHODS["occlusion"], **changes}
    assert text.find_failures(scores) == why
    said = list(text.describe_methods({"spread": 1.0, "methods": {"occlusion": scores}}))
    assert said == ([f"Fails on this text: occlusion ({why[0]})."] if why else [])


def test_an_attribution_to_words_colours_the_text_before_attention_does() -> None:
    assert text.choose_method({"attention": 1, "occlusion": 2, "cp_lrp": 3}) == "cp_lrp"
    assert text.choose_method({"rollout": 1}) == "rollout" and text.choose_method({}) is None


def test_a_text_that_was_cut_is_named() -> None:
    said = "".join(printed(part) for part in text.describe_explanation({**ROW, "cut": 7, "heads": [], "lens": []}))
    assert "the run reads 4 tokens of this text and leaves 7 out" in said and "layer" not in said


def test_names_of_white_space_are_quoted() -> None:
    said = text.describe_tokens(("a", " "), (1.0, -1.0), " ", "occlusion", signed=True)
    assert said == "'a' speaks for ' ', ' ' against it (occlusion)."


def test_where_all_orders_are_alike_no_method_fails() -> None:
    scores = {**METHODS["occlusion"], "deletion": 0.0, "insertion": 0.0}
    assert list(text.describe_methods({"spread": 0.0, "methods": {"occlusion": scores}})) == []


def test_a_method_with_a_baseline_and_no_sum_says_its_baseline_alone() -> None:
    scores = {**METHODS["integrated"], "error": None, "points": None, "other_baseline": {}}
    assert list(text.describe_methods({"spread": 1.0, "methods": {"own": scores}})) == ["own: from the baseline zero."]
