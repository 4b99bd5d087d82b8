"""Similarity: the mean matrix of every point."""

from dataclasses import replace

import numpy as np
import pytest

from stackcli.figures import similarity
from tests.figures import factory


@pytest.mark.parametrize("case", factory.FEW)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = similarity.draw(factory.CASES[case]())
    assert (figure is None) == (case == "all diverged")
    if figure is not None:
        factory.check(figure)


def test_each_cell_is_the_mean_over_seeds_of_two_layers_similarity() -> None:
    frames = factory.study({"depth": [1, 4]})
    frames.stack["cka"] = [  # no two cells alike, so that rows and columns cannot be exchanged unseen
        [0.01 * row.layer + 0.1 * i + 0.001 * row.seed for i in range(row.depth + 1)]
        for row in frames.stack.itertuples()
    ]
    shuffled = replace(frames, stack=frames.stack.sample(frac=1, random_state=0))
    for axes, depth in zip(factory.draw("similarity", shuffled).axes, (1, 4), strict=False):
        layers = np.arange(depth + 1)
        expected = 0.01 * layers[:, None] + 0.1 * layers + 0.001
        assert np.allclose(factory.cells(axes), expected) and axes.get_title() == f"depth={depth}"
        (drawn,) = factory.heat_maps(axes)
        assert drawn.get_clim() == (0, 1)
        assert axes.get_xlim() == axes.get_ylim() == (-0.5, depth + 0.5)


def test_what_was_not_measured_is_left_out_or_grey() -> None:
    frames = factory.study({"depth": [1, 2]}, seeds=2)
    rows = frames.stack
    rows["cka"] = [() if row.depth == 1 else cka for row, cka in zip(rows.itertuples(), rows["cka"], strict=True)]
    assert factory.titles(factory.draw("similarity", frames)) == ["depth=2"]
    rows["cka"] = [[None, *cka[1:]] if cka else cka for cka in rows["cka"]]
    assert np.ma.getmaskarray(factory.cells(factory.draw("similarity", frames).axes[0])).sum() == 3
    rows["cka"] = np.nan
    assert similarity.draw(frames) is None


def test_of_two_schemes_the_same_depths_are_drawn() -> None:
    titles = factory.titles(factory.draw("similarity", factory.CASES["two axes"]()))
    assert [title.split("\n") for title in titles] == [
        [f"depth={depth}", f"residual={scheme}"] for scheme in ("pre", "post") for depth in (1, 2, 4, 8, 16)
    ]
