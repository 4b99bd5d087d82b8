"""Signal and gradient before training: geometric means over seeds, layer by layer."""

from dataclasses import replace

import numpy as np
import pytest

from stackcli.analysis.study_data import Frames
from stackcli.figures import signal
from tests.figures import factory


def seen(frames: Frames) -> Frames:
    """A study with the signal of each block, which differs between seeds, and the gradient there."""
    layers = frames.layers
    block = layers["tensor"] == "block"
    height = 0.3 * layers["layer"] ** 0.5 * (1 + 0.1 * layers["seed"])
    return replace(
        frames, layers=layers.assign(signal=height.where(block), g4=(0.02 / height * (1 + layers["step"])).where(block))
    )


CASES = {name: case for name, case in factory.CASES.items() if name not in ("failed",)}


@pytest.mark.parametrize("case", CASES)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("signal", seen(CASES[case]())))


def test_each_panel_is_the_geometric_mean_before_the_first_step() -> None:
    frames = seen(factory.study({"depth": [2, 4]}))
    for axes, column in zip(factory.draw("signal", frames).axes, ("signal", "g4"), strict=True):
        assert axes.get_yscale() == "log"
        for depth in (2, 4):
            (line,) = factory.labelled(axes, f"depth={depth}")
            rows = frames.layers.query("depth == @depth and step == 0 and tensor == 'block'")
            expected = [np.prod(rows[rows["layer"] == layer][column]) ** (1 / 3) for layer in range(1, depth + 1)]
            assert np.allclose(line.get_ydata(), expected)
            assert np.allclose(line.get_xdata(), np.arange(1, depth + 1) / depth)


def test_each_scheme_has_panels_of_its_own() -> None:
    axes = factory.draw("signal", seen(factory.CASES["two axes"]())).axes
    assert [a.get_title() for a in axes[:2]] == ["residual=pre", "residual=post"]
    for panel, residual in zip(axes, ("pre", "post", "pre", "post"), strict=True):
        drawn = [str(line.get_label()) for line in panel.lines]
        assert drawn and all(label.endswith(f"residual={residual}") for label in drawn)


def test_a_run_that_diverged_later_counts_before_training() -> None:
    whole, gone = factory.study({"depth": [2, 4]}), factory.study({"depth": [2, 4]}, diverged=[("depth=4", 1)])
    lines = [factory.labelled(factory.draw("signal", seen(f)).axes[0], "depth=4")[0] for f in (whole, gone)]
    assert np.allclose(lines[0].get_ydata(), lines[1].get_ydata())


def test_one_depth_alone_is_drawn_by_layer() -> None:
    axes = factory.draw("signal", seen(factory.study({"pe": ["learned", "none"]}, depth=3))).axes
    (line,) = factory.labelled(axes[0], "pe=none")
    assert list(line.get_xdata()) == [1, 2, 3] and axes[1].get_xlabel().startswith("layer (block")


def test_only_what_was_measured_is_drawn() -> None:
    frames = seen(factory.study({"depth": [2, 4]}))
    without = replace(frames, layers=frames.layers.drop(columns="g4"))
    assert len(factory.draw("signal", without).axes) == 1
    assert signal.draw(factory.study({"depth": [2, 4]})) is None and signal.draw(factory.empty()) is None
