"""Layer probe: accuracy of a linear classifier by layer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackcli.figures import base, layer_probe
from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = layer_probe.draw(factory.CASES[case]())
    assert (figure is None) == (case == "all diverged")
    if figure is not None:
        factory.check(figure)


def test_lines_are_means_by_layer_from_what_enters_the_first_block() -> None:
    frames = factory.study({"depth": [2, 4]})
    (axes,) = factory.draw("layer_probe", frames).axes
    for line, depth in zip(factory.labelled(axes, "mean"), (2, 4), strict=True):
        expected = frames.stack.query("depth == @depth").groupby("layer")["probe_acc"].mean()
        assert list(np.round(line.get_xdata())) == list(range(depth + 1)) and np.allclose(line.get_ydata(), expected)


def test_a_star_at_the_end_of_a_line_is_the_accuracy_of_the_stack() -> None:
    frames = factory.study({"depth": [2, 4]}, diverged=[("depth=4", 1)])
    frames.runs.loc[frames.runs["status"] == "diverged", "test_acc"] = 0.0
    figure = factory.draw("layer_probe", frames)
    (axes,) = figure.axes
    lines = factory.labelled(axes, "mean")
    for line, star, depth in zip(lines, factory.labelled(axes, "mark"), (2, 4), strict=True):
        own = base.finished_runs(frames.runs[frames.runs["depth"] == depth])["test_acc"].mean()
        assert list(star.get_ydata()) == pytest.approx([own]) and star.get_color() == line.get_color()
        assert star.get_xdata()[0] == max(line.get_xdata())
    assert "the stack itself" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_layer_without_a_number_is_left_out_of_the_line() -> None:
    frames = factory.study({"depth": [2, 4]})
    frames.stack.loc[frames.stack["layer"] == 1, "probe_acc"] = np.nan
    line = factory.labelled(factory.draw("layer_probe", frames).axes[0], "mean")[1]
    assert list(np.round(line.get_xdata())) == [0, 2, 3, 4]


def test_runs_that_were_not_probed_draw_nothing() -> None:
    frames = factory.study({"depth": [2, 4]})
    assert layer_probe.draw(replace(frames, stack=pd.DataFrame())) is None
    frames.stack["probe_acc"] = None
    assert layer_probe.draw(frames) is None
