"""Entropy: a cell for each head of each layer, at the end."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackcli.analysis.study_data import Frames
from stackcli.figures import entropy
from tests.figures import factory


def noisy(frames: Frames) -> Frames:
    frames.layers["entropy"] *= np.random.default_rng(0).normal(1, 0.01, len(frames.layers))
    return frames


@pytest.mark.parametrize("case", factory.FEW)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("entropy", factory.CASES[case]()))


def test_each_cell_is_the_mean_over_seeds_at_the_last_step() -> None:
    frames = noisy(factory.study({"depth": [2, 4]}))
    figure = factory.draw("entropy", frames)
    for axes, depth in zip(figure.axes, (2, 4), strict=False):
        rows = frames.layers.query("depth == @depth and step == 200").groupby(["layer", "tensor"])["entropy"].mean()
        expected = [[rows[layer, f"head{head}"] for head in range(4)] for layer in range(1, depth + 1)]
        assert np.allclose(factory.cells(axes), expected)
        assert axes.get_title() == f"depth={depth}" and axes.get_ylim() == (0.5, depth + 0.5)
        written = [text.get_text() for text in axes.texts]
        assert written == [f"{value:.2f}" for row in expected for value in row]


def test_one_scale_serves_all_panels_and_spans_the_values() -> None:
    frames = noisy(factory.study({"depth": [1, 16]}))
    figure = factory.draw("entropy", frames)
    cells = np.concatenate([np.ravel(factory.cells(axes)) for axes in figure.axes[:2]])
    for axes in figure.axes[:2]:
        (drawn,) = factory.heat_maps(axes)
        assert drawn.get_clim() == pytest.approx((cells.min(), cells.max()))
    assert not figure.axes[1].texts  # sixteen layers leave no room


def test_ten_heads_stand_in_the_order_of_their_numbers() -> None:
    frames = factory.study({"depth": [1, 2]}, seeds=1)
    rows = frames.layers[frames.layers["tensor"] == "head0"]
    heads = [rows.assign(tensor=f"head{h}", entropy=h / 10) for h in range(11)]
    frames = replace(frames, layers=pd.concat(heads))
    assert np.allclose(factory.cells(factory.draw("entropy", frames).axes[0])[0], np.arange(11) / 10)


def test_if_no_run_finished_the_first_that_diverged_is_shown_and_the_title_says_so() -> None:
    frames = noisy(factory.study({"depth": [2, 4]}, diverged=[("depth=4", s) for s in range(3)]))
    axes = factory.draw("entropy", frames).axes[1]
    rows = frames.layers.query("depth == 4 and seed == 0 and step == 32 and entropy == entropy")
    assert np.allclose(factory.cells(axes), rows.pivot(index="layer", columns="tensor", values="entropy"))
    assert axes.get_title() == "depth=4, diverged 3 of 3"


def test_without_attention_weights_there_is_nothing_to_draw() -> None:
    frames = factory.study({"depth": [2, 4]})
    frames.layers["entropy"] = np.nan
    assert entropy.draw(frames) is None
