"""The tables of an explanation."""

from typing import Any

import pytest

from stackcli.analysis import explanation_tables as tables
from tests.analysis.explanations import ROW, method, printed


def lines(item: Any) -> list[list[str]]:
    return [line.split() for line in printed(item).split("\n")]


def test_a_method_has_its_sums_and_scores_and_the_controls_follow() -> None:
    found = lines(tables.tabulate_methods(ROW))
    assert ["integrated", "1.10", "0.50", "0.4%", "-1.00", "1.00", "2.00", "0.50", "0.25"] in found
    assert ["occlusion", "1.10", "-1.00", "1.00", "2.00", "0.50", "0.25"] in found
    assert ["control:", "perfect", "-2.00", "2.00", "3.00", "-1.00", "1.00"] in found
    assert ["control:", "random", "0.10", "2.00", "3.00", "-1.00", "1.00"] in found


def test_a_long_text_shows_its_strongest_tokens_in_order() -> None:
    whole = lines(tables.tabulate_tokens(ROW, "occlusion"))
    heads = [str(column.header) for column in tables.tabulate_tokens(ROW, "occlusion").columns]
    assert heads == ["token", "occl.", "int.\ngrad"]
    assert [row[0] for row in whole if len(row) == 3] == ["token", "which", "enzyme", "has", "mass"]
    cut = tables.tabulate_tokens(ROW, "occlusion", 2)
    assert [row[0] for row in lines(cut) if len(row) == 3] == ["token", "enzyme", "mass"]


def test_small_numbers_have_more_digits() -> None:
    assert tables.count_digits([0.002, -0.0123]) == 3 and tables.count_digits([5.0]) == 2
    assert tables.count_digits([0.0]) == 2 and tables.count_digits([1e-9]) == 4
    row = {**ROW, "methods": {"gradient": method(tokens=(0.0, -0.0104, 0.0004, 0.002))}}
    found = lines(tables.tabulate_tokens(row, "gradient"))
    assert ["enzyme", "-0.010"] in found and ["has", "0"] in found and ["mass", "0.002"] in found


def test_a_layer_has_the_means_of_its_heads_and_the_offset_of_each() -> None:
    found = lines(tables.tabulate_layers(ROW))
    assert ["1", "1.25", "1.00", "0.25", "0", "+1", ".30", "0", ".52"] in found
    assert ["2", "2.25", "1.00", "0.25", "0", "+1", ".30", "0", ".52"] in found


def test_a_layer_has_the_class_that_is_read_off_after_it_and_the_share_of_the_explained_class() -> None:
    found = lines(tables.tabulate_lens(ROW))
    rows = [["0", "Physics", "0.700", "0.300"], ["1", "Biology", "0.550", "0.550"], ["2", "Biology", "0.900", "0.900"]]
    assert [row for row in found if len(row) == 4 and row[0].isdigit()] == rows


def test_of_a_deep_stack_some_layers_are_read_from_the_first_to_the_last() -> None:
    long = "a rather long name " * 5
    lens = [{long: layer / 40, "b": 1 - layer / 40} for layer in range(34)]
    found = tables.tabulate_lens({**ROW, "lens": lens, "explained": long})
    layers = [str(cell) for cell in found.columns[0].cells]
    assert layers == ["0", "5", "9", "14", "19", "24", "28", "33"]
    assert [str(cell) for cell in found.columns[3].cells] == [
        f"{layer / 40:.3f}" for layer in (0, 5, 9, 14, 19, 24, 28, 33)
    ]
    assert max(map(len, printed(found).split("\n"))) <= 80


def test_sanity_shows_some_layers_from_the_classifier_to_the_input() -> None:
    stages = ["classifier", *(f"layer {i}" for i in range(16, 0, -1)), "input"]
    sanity = {stage: 1 - i / 20 for i, stage in enumerate(stages)}
    found = tables.tabulate_sanity({**ROW, "methods": {"occlusion": method(sanity=sanity)}})
    heads = [str(column.header).replace("\n", " ") for column in found.columns]
    assert heads[1] == "classifier" and heads[-1] == "input" and len(heads) == 8
    assert max(map(len, printed(found).split("\n"))) <= 80
    assert ["control:", "random", "1.00"] in lines(found) and ["control:", "perfect", "0"] in lines(found)


@pytest.mark.parametrize(
    ("value", "said"), [(None, "-"), (0.004, "0"), (-0.004, "0"), (0.006, "0.01"), (-1.5, "-1.50")]
)
def test_a_number_is_short(value: float | None, said: str) -> None:
    assert tables.format_score(value) == said
