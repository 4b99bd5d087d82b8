"""Offsets: a row for each head, a column for each offset."""

import numpy as np
import pytest

from stackcli.figures import offsets
from tests.analysis.explanations import explained_study
from tests.figures import factory

EXPLAINED = ["one run", "five depths", "two axes", "categories", "thirty categories", "diverged", "names as typed"]


@pytest.mark.parametrize("case", EXPLAINED)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("offsets", explained_study(factory.CASES[case](), {"cp_lrp": 1.0})))


def test_each_cell_is_the_share_of_an_offset_first_layer_at_the_top() -> None:
    frames = explained_study(factory.study({"depth": [1, 2]}), {"cp_lrp": 1.0})
    frames.heads["offsets"] = [
        [x * (1 + seed) for x in row] for row, seed in zip(frames.heads["offsets"], frames.heads["seed"], strict=True)
    ]
    axes = factory.draw("offsets", frames).axes[0]
    expected = [
        [2 * (0.01 * layer * head + 0.1 * (i == head)) for i in range(5)] for layer in (1, 2) for head in (1, 2)
    ]
    assert np.allclose(factory.cells(axes), expected)
    assert axes.get_ylim() == (3.5, -0.5) and [t.get_text() for t in axes.get_yticklabels()] == ["1", "2"]
    assert list(axes.get_yticks()) == [0.5, 2.5] and len(factory.labelled(axes, "layer")) == 1


def test_without_explanations_there_is_nothing_to_draw() -> None:
    assert offsets.draw(factory.study({"depth": [1, 2]})) is None
