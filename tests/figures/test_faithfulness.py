"""Faithfulness: a panel for each method, the most faithful first."""

from dataclasses import replace

import numpy as np
import pytest

from stackcli.figures import faithfulness
from tests.analysis.explanations import explained_study
from tests.figures import factory

SCORES = {"rollout": 0.2, "cp_lrp": 2.0, "occlusion": 1.5}
EXPLAINED = ["one run", "five depths", "two axes", "categories", "thirty categories", "diverged", "names as typed"]


@pytest.mark.parametrize("case", EXPLAINED)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    frames = explained_study(factory.CASES[case](), SCORES, slope=-0.05)
    factory.check(factory.draw("faithfulness", frames))


def test_each_panel_has_the_means_of_a_method_and_the_controls() -> None:
    frames = explained_study(factory.study({"depth": [1, 2, 4]}), SCORES)
    figure = factory.draw("faithfulness", frames)
    assert factory.titles(figure) == ["cp_lrp", "occlusion", "rollout"]
    for axes, start in zip(figure.axes, (2.0, 1.5, 0.2), strict=True):
        (line,) = factory.labelled(axes, "mean")
        assert np.allclose(line.get_ydata(), [start + 0.01, start - 0.5 + 0.02, start - 1 + 0.03])
        assert [float(line.get_ydata()[0]) for line in factory.labelled(axes, "perfect")] == [4.0]
        assert len(factory.labelled(axes, "random order")) == 1


def test_without_explanations_there_is_nothing_to_draw() -> None:
    frames = factory.study({"depth": [1, 2]})
    assert faithfulness.draw(frames) is None
    assert faithfulness.draw(replace(frames, axes=("depth",))) is None
