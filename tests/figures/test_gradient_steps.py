"""Gradients by layer and step: the heat map holds the frame's numbers."""

import numpy as np
import pytest

from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("gradient_steps", factory.CASES[case]()))


def test_each_cell_is_the_geometric_mean_over_seeds() -> None:
    frames = factory.study({"depth": [1, 4]})
    for axes, depth in zip(factory.draw("gradient_steps", frames).axes, (1, 4), strict=False):
        rows = frames.layers.query("depth == @depth and tensor == 'ff2'")
        expected = rows.pivot_table(index="layer", columns="step", values="g1", aggfunc=lambda g: np.prod(g) ** (1 / 3))
        assert np.allclose(factory.cells(axes), expected)
        assert axes.get_title() == f"depth={depth}" and axes.get_ylim() == (0.5, depth + 0.5)


def test_of_many_depths_twelve_are_drawn_the_deepest_among_them() -> None:
    figure = factory.draw("gradient_steps", factory.CASES["twenty depths"]())
    titles = factory.titles(figure)
    assert len(titles) == 12 and titles[0] == "depth=1" and titles[-1] == "depth=20"
    assert figure.get_supxlabel() == "12 of 20 points shown"


def test_where_every_seed_diverged_the_first_is_drawn_up_to_a_cross() -> None:
    frames = factory.study({"depth": [2, 4]}, diverged=[("depth=4", s) for s in range(3)])
    axes = factory.draw("gradient_steps", frames).axes[1]
    rows = frames.layers.query("depth == 4 and tensor == 'ff2' and seed == 0")
    assert np.allclose(factory.cells(axes), rows.pivot(index="layer", columns="step", values="g1"))
    (cross,) = factory.labelled(axes, "diverged")
    assert list(cross.get_ydata()) == [1, 2, 3, 4] and cross.get_marker() == "x"
    assert axes.get_title() == "depth=4, diverged 3 of 3" and axes.get_xticklabels()[-1].get_text() == "60"


def test_a_seed_that_diverged_is_named_and_in_no_mean() -> None:
    frames = factory.study({"depth": [2, 4]}, diverged=[("depth=4", 0)])
    axes = factory.draw("gradient_steps", frames).axes[1]
    rows = frames.layers.query("depth == 4 and tensor == 'ff2' and seed != 0")
    expected = rows.pivot_table(index="layer", columns="step", values="g1", aggfunc=lambda g: np.prod(g) ** 0.5)
    assert np.allclose(factory.cells(axes), expected) and "diverged 1 of 3" in axes.get_title()


def test_numbers_that_are_zero_or_not_finite_are_grey_and_the_figure_says_so() -> None:
    frames = factory.study({"depth": [1, 2]}, seeds=1)
    frames.layers.loc[frames.layers["step"] == 4, "g1"] = np.inf
    frames.layers.loc[frames.layers["step"] == 8, "g1"] = 0.0
    figure = factory.draw("gradient_steps", frames)
    cells = np.ma.getmaskarray(factory.cells(figure.axes[1]))
    assert cells[:, 3].all() and cells[:, 4].all() and cells.sum() == 4
    assert "grey: zero, or no longer finite" in figure.texts[0].get_text()
