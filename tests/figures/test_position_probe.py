"""Position probe: accuracy of a linear classifier of a token's position by layer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackcli.common.records import POSITIONS
from stackcli.figures import position_probe
from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = position_probe.draw(factory.CASES[case]())
    assert (figure is None) == (case == "all diverged")
    if figure is not None:
        factory.check(figure)


def test_lines_are_means_by_layer_and_chance_is_a_level_in_every_panel() -> None:
    frames = factory.study({"depth": [2, 4]})
    (axes,) = factory.draw("position_probe", frames).axes
    for line, depth in zip(factory.labelled(axes, "mean"), (2, 4), strict=True):
        expected = frames.stack.query("depth == @depth").groupby("layer")["position_acc"].mean()
        assert list(np.round(line.get_xdata())) == list(range(depth + 1)) and np.allclose(line.get_ydata(), expected)
    (level,) = factory.labelled(axes, "level")
    assert set(level.get_ydata()) == {1 / POSITIONS} and axes.get_ylim()[0] < 1 / POSITIONS
    for panel in factory.draw("position_probe", factory.CASES["two axes"]()).axes:
        assert len(factory.labelled(panel, "level")) == 1


def test_wide_intervals_do_not_stretch_the_axis_beyond_what_a_share_can_be() -> None:
    frames = factory.study({"depth": [2, 4]})
    frames.stack["position_acc"] = frames.stack["position_acc"].where(frames.stack["seed"] > 0, 1.0)
    (axes,) = factory.draw("position_probe", frames).axes
    low, high = axes.get_ylim()
    assert -0.06 < low < 0.125 and 1.0 < high < 1.06


def test_runs_of_an_older_version_draw_nothing_and_a_layer_without_a_number_is_left_out() -> None:
    frames = factory.study({"depth": [2, 4]})
    assert position_probe.draw(replace(frames, stack=pd.DataFrame())) is None
    assert position_probe.draw(replace(frames, stack=frames.stack.drop(columns="position_acc"))) is None
    assert position_probe.draw(replace(frames, stack=frames.stack.assign(position_acc=None))) is None
    frames.stack.loc[frames.stack["layer"] == 1, "position_acc"] = np.nan
    line = factory.labelled(factory.draw("position_probe", frames).axes[0], "mean")[1]
    assert list(np.round(line.get_xdata())) == [0, 2, 3, 4]
