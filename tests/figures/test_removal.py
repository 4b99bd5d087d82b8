"""Removal: the accuracy that the stack loses without a layer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stackcli.figures import removal
from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = removal.draw(factory.CASES[case]())
    assert (figure is None) == (case == "all diverged")
    if figure is not None:
        factory.check(figure)


def test_lines_are_the_accuracy_of_the_runs_minus_that_without_the_layer() -> None:
    frames = factory.study({"depth": [2, 4]}, seeds=4)
    (axes,) = factory.draw("removal", frames).axes
    lines, bars = factory.labelled(axes, "mean"), factory.labelled(axes, "interval")
    for line, bar, depth in zip(lines, bars, (2, 4), strict=True):
        whole = frames.runs.query("depth == @depth").set_index("seed")["test_acc"]
        without = frames.stack.query("depth == @depth and layer > 0").pivot(
            index="seed", columns="layer", values="without_acc"
        )
        lost = without.rsub(whole, axis=0)
        assert np.allclose(line.get_ydata(), lost.mean()) and len(lost.columns) == depth
        assert list(np.round(line.get_xdata())) == list(range(1, depth + 1))
        assert list(line.get_xdata()) == [1, 2, 3, 4][:depth]  # a point stands on its layer
        corners = bar.get_paths()[0].vertices
        for layer in lost:
            low, high = stats.t.interval(0.95, 3, lost[layer].mean(), stats.sem(lost[layer]))
            ends = [y for x, y in corners if x == layer]
            assert (min(ends), max(ends)) == pytest.approx((low, high))


def test_zero_is_a_horizontal_line() -> None:
    (axes,) = factory.draw("removal", factory.study({"depth": [2, 4]})).axes
    (zero,) = factory.labelled(axes, "level")
    assert list(zero.get_ydata()) == [0, 0]


def test_many_lines_of_two_schemes_are_a_panel_each_on_one_scale() -> None:
    frames = factory.CASES["two axes"]()
    frames.stack.loc[frames.stack["residual"] == "post", "without_acc"] -= 3.0  # far outside the other's range
    figure = factory.draw("removal", frames)
    pre, post = figure.axes
    low, high = pre.get_ylim()
    assert all(
        low < y < high for axes in (pre, post) for line in factory.labelled(axes, "mean") for y in line.get_ydata()
    )
    assert factory.titles(figure) == ["residual=pre", "residual=post"] and pre.get_ylim() == post.get_ylim()
    assert len(factory.labelled(pre, "mean")) == len(factory.labelled(post, "mean")) == 5


def test_a_scheme_without_a_finished_run_has_an_empty_panel_that_says_so() -> None:
    broken = [(f"depth={depth} residual=post", seed) for depth in (1, 2, 4, 8) for seed in range(2)]
    frames = factory.study({"depth": [1, 2, 4, 8], "residual": ["pre", "post"]}, seeds=2, diverged=broken)
    figure = factory.draw("removal", frames)
    factory.check(figure)
    assert [text.get_text() for text in figure.axes[1].texts] == ["no finished run"]


def test_nine_of_many_points_are_drawn_and_of_many_categories_those_in_the_legend() -> None:
    figure = factory.draw("removal", factory.CASES["twenty depths"]())
    assert len(factory.labelled(figure.axes[0], "mean")) == 9
    assert "9 of 20 points shown" in figure.texts[0].get_text()
    figure = factory.draw("removal", factory.CASES["thirty categories"]())
    assert len(factory.labelled(figure.axes[0], "mean")) == 9 and not figure.legends
    names = {text.get_text().replace("\n", " ") for text in figure.axes[0].texts}  # at the ends of their lines
    assert len(names) == 9 and "pe=a rather long name, 0" in names


def test_runs_without_layer_ablation_draw_nothing() -> None:
    frames = factory.study({"depth": [2, 4]})
    assert removal.draw(replace(frames, stack=pd.DataFrame())) is None
    frames.stack["without_acc"] = None
    assert removal.draw(frames) is None
