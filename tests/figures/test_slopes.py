"""Gradient of the last block against depth: geometric means, exponents, and theory beside them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stackcli.analysis.study_data import Frames
from stackcli.figures import slopes
from tests.figures import factory

XAVIER: dict[str, Any] = {"norm": "layer", "init": "xavier", "share_layers": False}
DEPTHS = {"depth": [1, 2, 4, 8]}


def planted(power: dict[str, float], axes: dict[str, Any] | None = None) -> Frames:
    """A study whose gradients of the last block are exact powers of the depth, except for stacks of one block."""
    frames = factory.study({**DEPTHS, "residual": list(power), **(axes or {})}, **XAVIER)
    layers = frames.layers
    p, depth = layers["residual"].map(power), layers["depth"].where(layers["depth"] > 1, 1e-9)
    height = 2.0 ** layers["seed"]
    return replace(frames, layers=layers.assign(g3=height * depth**p, g1=height * depth ** (p / 2)))


@pytest.mark.parametrize("case", [name for name, case in factory.CASES.items() if "depth" in case().axes])
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    frames = factory.CASES[case]()
    if len({d for d in frames.runs.query("status != 'failed'")["depth"] if d > 1}) > 1:
        factory.check(factory.draw("slopes", frames))
    else:
        assert slopes.draw(frames) is None


def test_three_panels_with_theory_neither_overlap_nor_are_cut() -> None:
    frames = planted({"pre": -0.52, "post": 0.01, "deepnorm": -0.48, "rezero": -0.1})
    runs = frames.runs.assign(update=0.4 * frames.runs["depth"] ** 0.4)
    figure = factory.draw("slopes", replace(frames, runs=runs))
    assert len(figure.axes) == 3
    factory.check(figure)


@pytest.mark.parametrize(("panel", "column"), [(0, "g1"), (1, "g3")])
def test_each_panel_is_the_geometric_mean_of_the_last_block_at_step_0(panel: int, column: str) -> None:
    frames = factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]})
    axes = factory.draw("slopes", frames).axes[panel]
    last = frames.layers.query("step == 0 and tensor == 'ff2' and layer == depth")
    for line, residual in zip(factory.labelled(axes, "mean"), ("pre", "post"), strict=True):
        rows = last[last["residual"] == residual]
        expected = [np.prod(rows.query("depth == @d")[column]) ** (1 / 3) for d in (1, 2, 4)]
        assert np.allclose(line.get_ydata(), expected) and list(line.get_xdata()) == [1, 2, 4]
    assert [len(line.get_xdata()) for line in factory.labelled(axes, "seeds")] == [9, 9]


def test_the_exponent_is_that_of_the_data_and_theory_is_given_beside_it() -> None:
    figure = factory.draw("slopes", planted({"pre": -0.6, "post": 0.1, "rezero": -0.2}))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[0] == "residual=pre: G3 ~ depth^−0.6, theory −0.5"
    assert texts[1] == "residual=post: G3 ~ depth^0.1, theory 0"
    assert texts[2] == "residual=rezero: G3 ~ depth^−0.2" and texts[3] == "theory of G3"


def test_a_line_of_theory_has_its_exponent_and_the_mean_height_of_the_points() -> None:
    figure = factory.draw("slopes", planted({"pre": -0.6, "rezero": -0.2}))
    assert not factory.labelled(figure.axes[0], "theory")
    (line,) = factory.labelled(figure.axes[1], "theory")
    x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    assert list(x) == [2, 4, 8] and np.allclose(np.diff(np.log(y)) / np.diff(np.log(x)), -0.5)
    points = 2.0 * x**-0.6  # the seeds' heights are 1, 2 and 4
    assert np.isclose(np.log(y).mean(), np.log(points).mean())


def test_settings_outside_the_theory_have_no_line_of_theory() -> None:
    frames = planted({"pre": -0.5, "post": 0.0})
    figure = factory.draw("slopes", replace(frames, runs=frames.runs.assign(init="gpt2")))
    assert not factory.labelled(figure.axes[1], "theory")
    assert all("theory" not in text.get_text() for text in figure.legends[0].get_texts())


def test_stacks_of_other_widths_at_other_depths_have_no_theory() -> None:
    frames = planted({"pre": -0.5})
    assert factory.labelled(factory.draw("slopes", frames).axes[1], "theory")
    widths = frames.runs.assign(dim=frames.runs["depth"].map({1: 128, 2: 92, 4: 64, 8: 44}))
    assert not factory.labelled(factory.draw("slopes", replace(frames, runs=widths)).axes[1], "theory")


def test_without_two_depths_there_is_no_slope() -> None:
    assert slopes.draw(factory.study({"depth": [1, 2]})) is None
    assert slopes.draw(factory.study({"pe": ["learned", "none"]})) is None and slopes.draw(factory.empty()) is None


def test_gradients_that_are_zero_leave_out_only_their_own_line() -> None:
    frames = planted({"pre": -0.5, "post": 0.0})
    zero = frames.layers["residual"] == "post"
    layers = frames.layers.assign(g1=frames.layers["g1"].mask(zero, 0.0), g3=frames.layers["g3"].mask(zero, 0.0))
    figure = factory.draw("slopes", replace(frames, layers=layers))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[1] == "residual=post"
    factory.check(figure)
