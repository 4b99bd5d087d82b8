"""Logit lens: accuracy of the stack's own classifier by layer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackcli.figures import logit_lens
from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = logit_lens.draw(factory.CASES[case]())
    assert (figure is None) == (case == "all diverged")
    if figure is not None:
        factory.check(figure)


def test_lines_are_means_by_layer_and_the_class_probe_is_dotted_in_the_same_colour() -> None:
    frames = factory.study({"depth": [2, 4]})
    figure = factory.draw("logit_lens", frames)
    (axes,) = figure.axes
    lines, dotted = factory.labelled(axes, "mean"), factory.labelled(axes, "beside")
    for line, beside, depth in zip(lines, dotted, (2, 4), strict=True):
        means = frames.stack.query("depth == @depth").groupby("layer")[["lens_acc", "probe_acc"]].mean()
        assert list(np.round(line.get_xdata())) == list(range(depth + 1))
        assert np.allclose(line.get_ydata(), means["lens_acc"]) and np.allclose(beside.get_ydata(), means["probe_acc"])
        assert beside.get_color() == line.get_color() and beside.get_linestyle() == ":"
    assert "a classifier trained on the layer" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_runs_of_an_older_version_draw_nothing_and_without_the_class_probe_there_is_no_dotted_line() -> None:
    frames = factory.study({"depth": [2, 4]})
    assert logit_lens.draw(replace(frames, stack=pd.DataFrame())) is None
    assert logit_lens.draw(replace(frames, stack=frames.stack.drop(columns="lens_acc"))) is None
    assert logit_lens.draw(replace(frames, stack=frames.stack.assign(lens_acc=None))) is None
    figure = factory.draw("logit_lens", replace(frames, stack=frames.stack.assign(probe_acc=np.nan)))
    (axes,) = figure.axes
    assert not any("trained" in text.get_text() for text in figure.legends[0].get_texts())
    assert len(factory.labelled(axes, "mean")) == 2 and not factory.labelled(axes, "beside")
