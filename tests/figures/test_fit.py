"""Fit: train loss, validation loss and gap at the end."""

import numpy as np
import pytest
from scipy import stats

from stackcli.figures import base, fit
from tests.figures import factory

COLUMNS = ("train_loss_end", "val_loss_end", "gap_end")


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    frames = factory.CASES[case]()
    figure = fit.draw(frames)
    assert (figure is None) == (not frames.axes or case == "all diverged")
    if figure is not None:
        factory.check(figure)


@pytest.mark.parametrize("panel", [0, 1, 2])
def test_each_panel_shows_one_measure_and_a_line_for_each_scheme(panel: int) -> None:
    frames = factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]})
    axes = factory.draw("fit", frames).axes[panel]
    lines, bars, dots = (factory.labelled(axes, label) for label in ("mean", "interval", "seeds"))
    for line, bar, dot, scheme in zip(lines, bars, dots, ("pre", "post"), strict=True):
        rows = frames.runs[frames.runs["residual"] == scheme]
        assert np.allclose(line.get_ydata(), rows.groupby("depth")[COLUMNS[panel]].mean())
        for (start, end), (_, values) in zip(bar.get_segments(), rows.groupby("depth")[COLUMNS[panel]], strict=True):
            low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
            assert (start[1], end[1]) == pytest.approx((low, high))
        assert sorted(dot.get_ydata()) == pytest.approx(sorted(rows[COLUMNS[panel]]))


def test_losses_never_go_below_zero() -> None:
    frames = factory.study({"depth": [1, 2, 4]})
    frames.runs["train_loss_end"] = frames.runs["seed"].map({0: 0.001, 1: 0.001, 2: 0.09})  # t interval below zero
    figure = factory.draw("fit", frames)
    assert figure.axes[0].get_ylim()[0] == 0.0 and figure.axes[1].get_ylim()[0] >= 0.0


def test_each_data_set_is_a_column_with_its_own_scale() -> None:
    frames = factory.study({"data": ["subjects", "digits"], "pe": ["none", "rope"]})
    frames.runs.loc[frames.runs["data"] == "digits", "val_loss_end"] += 5.0
    figure = factory.draw("fit", frames)
    factory.check(figure)
    assert len(figure.axes) == 6 and factory.titles(figure) == ["data=subjects", "data=digits"]
    for column, data in enumerate(("subjects", "digits")):
        (line,) = factory.labelled(figure.axes[2 + column], "mean")
        rows = frames.runs[frames.runs["data"] == data]
        assert np.allclose(line.get_ydata(), rows.groupby("pe")["val_loss_end"].mean())
    assert figure.axes[2].get_ylim()[1] < figure.axes[3].get_ylim()[0]


def test_intervals_of_two_schemes_do_not_overlap() -> None:
    frames = factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]})
    pre, post = factory.labelled(factory.draw("fit", frames).axes[0], "mean")
    assert all(np.asarray(pre.get_xdata()) < np.asarray(post.get_xdata())) and pre.get_color() != post.get_color()


def test_a_diverged_run_is_a_cross_with_its_count_and_in_no_mean() -> None:
    frames = factory.study({"depth": [1, 2]}, diverged=[("depth=2", 1)])
    frames.runs.loc[frames.runs["status"] == "diverged", "train_loss_end"] = 0.0
    axes = factory.draw("fit", frames).axes[0]
    (cross,) = factory.labelled(axes, "broken")
    assert list(cross.get_xdata()) == [2] and [text.get_text() for text in axes.texts] == ["1/3"]
    done = frames.runs[frames.runs["status"] == "done"].groupby("depth")["train_loss_end"].mean()
    assert np.allclose(factory.labelled(axes, "mean")[0].get_ydata(), done)


def test_one_run_draws_nothing() -> None:
    assert fit.draw(factory.study(seeds=1)) is None
    assert base.describe_figure("fit").startswith("Train loss, validation loss and their gap")
