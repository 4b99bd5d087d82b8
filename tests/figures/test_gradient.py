"""Gradient profiles: geometric means over seeds, layer by layer."""

from dataclasses import replace

import numpy as np
import pytest

from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("gradient", factory.CASES[case]()))


@pytest.mark.parametrize(("panel", "norm", "step"), [(0, "g1", 0), (1, "g1", 200), (2, "g3", 0), (3, "g3", 200)])
@pytest.mark.parametrize(("ff", "tensor"), [(4, "ff2"), (0, "o")])
def test_each_panel_is_the_geometric_mean_of_the_last_map(
    panel: int, norm: str, step: int, ff: float, tensor: str
) -> None:
    frames = factory.study({"depth": [2, 4]}, ff=ff)
    axes = factory.draw("gradient", frames).axes[panel]
    assert axes.get_yscale() == "log"
    for depth in (2, 4):
        (line,) = factory.labelled(axes, f"depth={depth}")
        rows = frames.layers.query("depth == @depth and step == @step and tensor == @tensor")
        expected = [np.prod(rows[rows["layer"] == layer][norm]) ** (1 / 3) for layer in range(1, depth + 1)]
        assert np.allclose(line.get_ydata(), expected)
        assert np.allclose(line.get_xdata(), np.arange(1, depth + 1) / depth)


def test_one_depth_alone_is_drawn_by_layer() -> None:
    axes = factory.draw("gradient", factory.study({"pe": ["learned", "none"]}, depth=3)).axes[2]
    (line,) = factory.labelled(axes, "pe=none")
    assert list(line.get_xdata()) == [1, 2, 3] and axes.get_xlabel().startswith("layer (block")


def test_a_diverged_run_has_its_own_line_and_is_in_no_mean() -> None:
    frames = factory.study({"depth": [2, 4]}, diverged=[("depth=4", 1)])
    axes = factory.draw("gradient", frames).axes[1]
    (mean,), (single,) = factory.labelled(axes, "depth=4"), factory.labelled(axes, "depth=4 diverged")
    rows = frames.layers.query("depth == 4 and tensor == 'ff2'")
    lost = rows[(rows["seed"] == 1) & (rows["step"] == 32)]
    assert np.allclose(single.get_ydata(), lost["g1"]) and single.get_marker() == "x"
    kept = rows[(rows["seed"] != 1) & (rows["step"] == 200)].groupby("layer")["g1"].prod() ** 0.5
    assert np.allclose(mean.get_ydata(), kept)


def test_gradients_that_are_zero_at_initialisation_leave_a_note_and_no_warning() -> None:
    frames = factory.study({"depth": [2, 4]})
    frames.layers.loc[frames.layers["step"] == 0, ["g1", "g3"]] = 0.0
    axes = factory.draw("gradient", frames).axes
    assert [text.get_text() for text in axes[0].texts] == ["zero, or not measured"]
    assert factory.labelled(axes[1], "depth=2")


def test_many_depths_share_a_colour_bar_instead_of_a_legend() -> None:
    figure = factory.draw("gradient", factory.CASES["twenty depths"]())
    assert not figure.legends and figure.axes[-1].get_ylabel() == "depth (blocks)"
    assert len([line for line in figure.axes[0].lines if str(line.get_label()).startswith("depth=")]) == 20


def test_without_measurements_there_is_nothing_to_draw() -> None:
    from stackcli.figures import gradient

    frames = factory.study(seeds=1)
    frames.layers[["g1", "g3"]] = np.nan
    assert gradient.draw(frames) is None


def test_a_norm_that_was_not_measured_leaves_a_note_in_its_panel() -> None:
    frames = factory.study({"depth": [2, 4]}, seeds=1)
    frames.layers["g3"] = np.nan
    axes = factory.draw("gradient", frames).axes
    assert not axes[0].texts and [text.get_text() for text in axes[2].texts] == ["zero, or not measured"]


@pytest.mark.parametrize("axes", [{"depth": [2, 4]}, {"depth": [1, 2, 4, 8], "residual": ["pre", "post"]}])
def test_without_training_there_is_a_start_and_no_end(axes: dict[str, list[object]]) -> None:
    frames = factory.study(axes)
    start = replace(frames, layers=frames.layers.query("step == 0"))
    figure = factory.draw("gradient", start)
    factory.check(figure)
    assert len(figure.axes) == 2 * len(axes.get("residual", [1]))
    assert all(title.endswith("at initialisation") for title in factory.titles(figure))
    whole = factory.draw("gradient", frames)
    for point in ("depth=2", "depth=4"):
        point += " residual=pre" if "residual" in axes else ""
        (line,), (same,) = factory.labelled(figure.axes[0], point), factory.labelled(whole.axes[0], point)
        assert np.allclose(line.get_ydata(), same.get_ydata())


def test_many_lines_of_two_schemes_are_a_column_each_and_panels_of_one_norm_share_a_scale() -> None:
    frames = factory.CASES["two axes"]()
    figure = factory.draw("gradient", frames)
    assert factory.titles(figure) == [
        f"residual={scheme}, {when}"
        for when in ("at initialisation", "at the end of training") * 2
        for scheme in ("pre", "post")
    ]
    for i, (norm, step) in enumerate((norm, step) for norm in ("g1", "g3") for step in (0, 200)):
        for axes, scheme in zip(figure.axes[2 * i : 2 * i + 2], ("pre", "post"), strict=True):
            (line,) = factory.labelled(axes, f"depth=16 residual={scheme}")
            rows = frames.layers[frames.layers["step"] == step].query("depth == 16 and residual == @scheme")
            ends = rows[rows["tensor"] == "ff2"].groupby("layer")[norm].prod() ** (1 / 3)
            assert np.allclose(line.get_ydata(), ends)
            assert len([line for line in axes.lines if str(line.get_label()).startswith("depth=")]) == 5
    for panels in (figure.axes[:4], figure.axes[4:]):
        assert len({axes.get_ylim() for axes in panels}) == 1
