"""Update: G5 by step, the median over a block's maps."""

from dataclasses import replace

import numpy as np
import pytest

from stackcli.figures import base, update
from tests.figures import factory


@pytest.mark.parametrize("case", factory.FEW)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("update", factory.CASES[case]()))


def test_each_line_is_the_geometric_mean_over_seeds_of_the_median_over_maps() -> None:
    frames = factory.study({"depth": [2, 4]})
    frames.layers["update"] *= np.exp(np.random.default_rng(0).normal(0, 0.3, len(frames.layers)))
    for axes, depth in zip(factory.draw("update", frames).axes, (2, 4), strict=False):
        assert axes.get_yscale() == "log" and axes.get_title() == f"depth={depth}"
        for layer in range(1, depth + 1):
            (line,) = factory.labelled(axes, f"layer {layer}")
            steps = [1, 2, 4, 8, 16, 32, 64, 128]  # not the last, at which the learning rate is zero
            rows = frames.layers.query("depth == @depth and layer == @layer and update == update")
            medians = {key: np.median(group["update"]) for key, group in rows.groupby(["step", "seed"])}
            expected = [np.prod([medians[step, seed] for seed in range(3)]) ** (1 / 3) for step in steps]
            assert list(line.get_xdata()) == steps and np.allclose(line.get_ydata(), expected)
            assert line.get_color() == base.ORDERED(layer / depth)


def test_the_rule_of_thumb_is_a_dashed_line_and_named() -> None:
    figure = factory.draw("update", factory.study({"depth": [1, 2]}))
    (rule,) = factory.labelled(figure.axes[0], "rule")
    assert list(rule.get_ydata()) == [1e-3, 1e-3] and rule.get_linestyle() == "--"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0.001, a rule of thumb"]


def test_only_a_last_step_without_a_learning_rate_is_left_out_and_the_figure_says_so() -> None:
    frames = factory.study({"depth": [1, 2]})
    assert "without the last step" in factory.draw("update", frames).texts[0].get_text()
    frames.curve["step"] = frames.curve["step"].replace(10, 16)
    frames.curve["lr"] = np.where(frames.curve["step"] == 16, 1e-9, 1e-3)  # a constant rate but for one early step
    figure = factory.draw("update", frames)
    (line,) = factory.labelled(figure.axes[0], "layer 1")
    assert {16, 200} <= set(line.get_xdata()) and "without" not in figure.texts[0].get_text()


def test_weights_of_zero_have_no_ratio_and_the_other_maps_are_drawn() -> None:
    frames = factory.study({"depth": [1, 2]}, seeds=1)
    frames.layers.loc[frames.layers["tensor"] == "o", "update"] = np.inf
    (line,) = factory.labelled(factory.draw("update", frames).axes[0], "layer 1")
    assert np.isfinite(line.get_ydata()).all()
    frames.layers.loc[frames.layers["update"].notna(), "update"] = np.inf
    assert update.draw(frames) is None


def test_where_every_seed_diverged_the_first_is_drawn() -> None:
    frames = factory.study({"depth": [2, 4]}, diverged=[("depth=4", s) for s in range(3)])
    axes = factory.draw("update", frames).axes[1]
    assert axes.get_title() == "depth=4, diverged 3 of 3"
    assert list(factory.labelled(axes, "layer 4")[0].get_xdata()) == [1, 2, 4, 8, 16, 32]


def test_runs_without_measurements_draw_nothing() -> None:
    frames = factory.study({"depth": [2, 4]})
    frames.layers["update"] = np.nan
    assert update.draw(frames) is None


def test_the_last_step_of_a_short_run_is_left_out_though_its_curve_lacks_the_peak() -> None:
    frames = factory.study({"depth": [2]}, seeds=1)
    keep = frames.curve["step"].isin([0, 190, 200])  # of a peak of .001 the curve has seen .00005
    short = replace(frames, curve=frames.curve[keep], runs=frames.runs.assign(lr=1e-3))
    last = short.curve["step"] == 200
    short.curve.loc[last, "lr"] = 5e-6  # a tenth of what the curve has seen, and .005 of the peak
    figure = factory.draw("update", short)
    assert "without the last step" in figure.get_supxlabel()
    assert 200 not in factory.labelled(figure.axes[0], "layer 1")[0].get_xdata()
