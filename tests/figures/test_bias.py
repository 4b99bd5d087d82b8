"""Bias: the lines are the biases of the frame."""

import numpy as np
import pytest

from stackcli.figures import base
from tests.figures import factory


def test_a_line_for_each_head_by_offset() -> None:
    frames = factory.study({"pe": ["alibi", "t5", "learned"]})
    figure = factory.draw("bias", frames)
    factory.check(figure)
    assert len(figure.axes) == 2
    (expected,) = frames.position.loc[(frames.position["pe"] == "t5") & (frames.position["seed"] == 0), "values"]
    for head in range(4):
        (line,) = factory.labelled(figure.axes[1], f"head {head + 1}")
        assert list(line.get_xdata()) == list(range(-8, 9)) and np.allclose(line.get_ydata(), expected[:, head])


def test_offsets_that_a_head_does_not_see_are_a_gap() -> None:
    frames = factory.study({"pe": ["alibi", "none"]}, seeds=1)
    for at, values in zip(frames.position["at"], frames.position["values"], strict=True):
        values[at > 0] = np.nan
    figure = factory.draw("bias", frames)
    factory.check(figure)
    (line,) = factory.labelled(figure.axes[0], "head 1")
    assert int(np.isnan(line.get_ydata()).sum()) == 8


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_encodings_without_a_bias_draw_nothing(case: str) -> None:
    assert base.load_figure("bias")(factory.CASES[case]()) is None
