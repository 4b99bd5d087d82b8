"""An explanation in words and tables."""

import io
from typing import Any

import pytest
from rich.console import Console

from stackcli.analysis import explanation_text as text

ROW = {
    "tokens": ("which", "enzyme", "has", "mass"),
    "cut": 0,
    "heads": [
        {"layer": layer, "distance": layer + head / 2, "entropy": 1.0, "first": 0.25, "padding": 0.0}
        for layer in (1, 2)
        for head in (0, 1)
    ],
    "probability": {"Biology": 0.9, "Physics": 0.1},
    "explained": "Biology",
    "methods": {
        name: {
            "words": (0.0, 2.0, 0.1, -1.0),
            "positions": positions,
            "tokens": (0.0, 2.0, 0.1, -1.0),
            "error": error,
            "signed": True,
            "deletion": -1.0,
            "insertion": 1.0,
            "comprehensiveness": 2.0,
            "sufficiency": 0.5,
        }
        for name, positions, error in (("occlusion", None, None), ("integrated", (0.0, 0.5, 0.0, 0.0), 0.004))
    },
}


def printed(item: Any) -> str:
    console = Console(width=80, file=io.StringIO())
    console.print(item)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_sentence_names_the_strongest_tokens_of_each_side() -> None:
    said = text.describe_tokens(ROW["tokens"], (0.0, 2.0, 0.1, -1.0), "Biology", "occlusion", signed=True)  # type: ignore[arg-type]
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
    assert max(map(len, lines)) <= 80
    method = next(line for line in lines if line.strip().startswith("integrated"))
    assert method.split() == ["integrated", "1.10", "0.50", "0.4%", "-1.00", "1.00", "2.00", "0.50"]
    token = next(line for line in lines if line.strip().startswith("mass ") and "-1.00" in line)
    assert token.split() == ["mass", "-1.00", "-1.00"]


def test_an_attribution_to_words_colours_the_text_before_attention_does() -> None:
    assert text.choose_method({"attention": 1, "occlusion": 2, "cp_lrp": 3}) == "cp_lrp"
    assert text.choose_method({"rollout": 1}) == "rollout" and text.choose_method({}) is None


def test_a_layer_has_the_means_of_its_heads() -> None:
    rows = [line.split() for line in printed(text.tabulate_layers(ROW)).split("\n")]
    assert ["1", "1.25", "1.00", "0.25", "0"] in rows and ["2", "2.25", "1.00", "0.25", "0"] in rows


def test_a_text_that_was_cut_is_named() -> None:
    said = "".join(printed(part) for part in text.describe_explanation({**ROW, "cut": 7, "heads": []}))
    assert "the run reads 4 tokens of this text and leaves 7 out" in said and "layer" not in said
