"""Depth: accuracy, loss and gap of train and held-out data, against depth."""

import numpy as np
import pytest
from scipy import stats

from stackcli.figures import base, depth
from tests.figures import factory

PANELS = (("test_acc_end", "train_acc_end"), ("val_loss_end", "train_loss_end"), ("gap_end", "gap_best"))


@pytest.mark.parametrize("case", factory.CASES)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    frames = factory.CASES[case]()
    figure = depth.draw(frames)
    assert (figure is None) == ("depth" not in frames.axes or case == "all diverged")
    if figure is not None:
        factory.check(figure)


@pytest.mark.parametrize("panel", [0, 1, 2])
def test_solid_is_held_out_and_hollow_is_train_a_line_for_each_scheme(panel: int) -> None:
    frames = factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]})
    axes = factory.draw("depth", frames).axes[panel]
    lines = iter(factory.labelled(axes, "mean"))
    bars = iter(factory.labelled(axes, "interval"))
    dots = iter(factory.labelled(axes, "seeds"))
    for scheme in ("pre", "post"):
        rows = frames.runs[frames.runs["residual"] == scheme]
        for column, fill in zip(PANELS[panel], ("full", "none"), strict=True):
            line, bar = next(lines), next(bars)
            assert line.get_fillstyle() == fill
            assert np.allclose(line.get_ydata(), rows.groupby("depth")[column].mean())
            for (start, end), (_, values) in zip(bar.get_segments(), rows.groupby("depth")[column], strict=True):
                low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
                assert (start[1], end[1]) == pytest.approx((low, high))
            assert sorted(next(dots).get_ydata()) == pytest.approx(sorted(rows[column]))


def test_depth_is_on_a_logarithmic_scale_even_if_depths_are_evenly_spaced() -> None:
    for depths, ticks in (([1, 2], ["1", "2"]), (range(1, 21), ["1", "2", "4", "8", "16"])):
        for axes in factory.draw("depth", factory.study({"depth": list(depths)}, seeds=1)).axes:
            assert axes.get_xscale() == "log" and [text.get_text() for text in axes.get_xticklabels()] == ticks


def test_intervals_of_two_schemes_do_not_overlap() -> None:
    frames = factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]})
    pre, *_, post = factory.labelled(factory.draw("depth", frames).axes[0], "mean")
    assert all(np.asarray(pre.get_xdata()) < np.asarray(post.get_xdata())) and pre.get_color() != post.get_color()


def test_a_diverged_run_is_a_cross_with_its_count_and_in_no_mean() -> None:
    frames = factory.study({"depth": [1, 2]}, diverged=[("depth=2", 1)])
    frames.runs.loc[frames.runs["status"] == "diverged", "test_acc_end"] = 0.0
    axes = factory.draw("depth", frames).axes[0]
    (cross,) = factory.labelled(axes, "broken")
    assert list(cross.get_xdata()) == [2] and [text.get_text() for text in axes.texts] == ["1/3"]
    done = frames.runs[frames.runs["status"] == "done"].groupby("depth")["test_acc_end"].mean()
    assert np.allclose(factory.labelled(axes, "mean")[0].get_ydata(), done)


def test_one_depth_draws_nothing() -> None:
    assert depth.draw(factory.study({"residual": ["pre", "post"]})) is None
    assert depth.draw(factory.study({"depth": [4], "residual": ["pre", "post"]})) is None
    assert base.describe_figure("depth").startswith("Accuracy, loss and overfitting gap against depth")
