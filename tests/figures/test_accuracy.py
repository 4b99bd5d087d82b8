"""Accuracy: the figure shows the numbers of the frame."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from stackcli.figures import base
from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("accuracy", factory.CASES[case]()))


def test_the_line_is_the_mean_over_seeds_and_every_seed_is_a_point() -> None:
    frames = factory.study({"depth": [1, 2, 4, 8]})
    (axes,) = factory.draw("accuracy", frames).axes
    (line,), (dots,) = factory.labelled(axes, "mean"), factory.labelled(axes, "seeds")
    mean = frames.runs.groupby("depth")["test_acc"].mean()
    assert np.array_equal(line.get_xdata(), mean.index) and np.allclose(line.get_ydata(), mean)
    drawn = sorted(zip(dots.get_xdata(), dots.get_ydata(), strict=True))
    assert drawn == sorted(zip(frames.runs["depth"], frames.runs["test_acc"], strict=True))


def test_the_bar_is_the_t_interval() -> None:
    frames = factory.study({"depth": [1, 2]}, seeds=5)
    (bars,) = factory.labelled(factory.draw("accuracy", frames).axes[0], "interval")
    for (start, end), (_, rows) in zip(bars.get_segments(), frames.runs.groupby("depth"), strict=True):
        low, high = stats.t.interval(0.95, 4, rows["test_acc"].mean(), stats.sem(rows["test_acc"]))
        assert (start[1], end[1]) == pytest.approx((low, high))


def test_depth_is_the_x_axis_and_geometric_depths_are_the_ticks_of_a_logarithmic_scale() -> None:
    values: dict[str, list[Any]] = {"depth": [1, 2, 4, 8], "pe": ["learned", "none"]}
    for names in (["depth", "pe"], ["pe", "depth"]):
        (panel,) = factory.draw("accuracy", factory.study({name: values[name] for name in names}, seeds=1)).axes
        assert panel.get_xlabel() == "depth (blocks)" and panel.get_xscale() == "log"
        assert [text.get_text() for text in panel.get_xticklabels()] == ["1", "2", "4", "8"]


def test_categories_are_evenly_spaced_not_joined_and_look_as_in_the_other_figures() -> None:
    frames = factory.study({"pe": ["learned", "sinusoidal", "relative"]})
    (axes,) = factory.draw("accuracy", frames).axes
    (line,) = factory.labelled(axes, "mean")
    assert list(line.get_xdata()) == [0, 1, 2] and line.get_linestyle() == "None"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["learned", "sinusoidal", "relative"]
    levels = factory.labelled(axes, "level")
    lines = base.lines(frames)
    for mark, point in zip(levels, lines.points, strict=True):
        look = lines.style(point)
        assert (mark.get_color(), mark.get_marker()) == (look["color"], look["marker"])
    assert np.allclose([mark.get_ydata()[0] for mark in levels], line.get_ydata())


def test_every_data_set_is_a_panel_with_its_own_range_and_baselines() -> None:
    frames = factory.study({"data": ["subjects", "digits"], "pe": ["none", "rope"]})
    frames.runs.loc[frames.runs["data"] == "digits", "test_acc"] -= 0.6
    frames.facts["digits"]["majority_acc"] = 0.1
    figure = factory.draw("accuracy", frames)
    factory.check(figure)
    assert [axes.get_title() for axes in figure.axes] == ["data=subjects", "data=digits"]
    for axes, data in zip(figure.axes, ("subjects", "digits"), strict=True):
        mean = frames.runs[frames.runs["data"] == data].groupby("pe")["test_acc"].mean()
        assert np.allclose(factory.labelled(axes, "mean")[0].get_ydata(), mean)
    texts = ["\n".join(text.get_text() for text in axes.texts).replace("\n", " ") for axes in figure.axes]
    assert "most common class 0.25" in texts[0] and "most common class 0.10" in texts[1]
    assert figure.axes[0].get_ylim()[0] > figure.axes[1].get_ylim()[1]  # the runs span each panel


def test_an_interval_beyond_one_is_cut_there_with_a_mark() -> None:
    frames = factory.study({"depth": [1, 2]})
    frames.runs.loc[frames.runs["depth"] == 2, "test_acc"] = [0.9, 0.99, 1.0]
    (axes,) = factory.draw("accuracy", frames).axes
    (bars,) = factory.labelled(axes, "interval")
    assert bars.get_segments()[1][1][1] == 1.0
    (cut,) = factory.labelled(axes, "cut")
    assert list(cut.get_xdata()) == [2] and list(cut.get_ydata()) == [1.0]


def test_a_second_axis_is_a_line_of_its_own_colour_marker_and_dash() -> None:
    frames = factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]})
    figure = factory.draw("accuracy", frames)
    lines = factory.labelled(figure.axes[0], "mean")
    for line, residual in zip(lines, ["pre", "post"], strict=True):
        mean = frames.runs[frames.runs["residual"] == residual].groupby("depth")["test_acc"].mean()
        assert np.allclose(line.get_ydata(), mean)
    for look in ("get_color", "get_marker", "get_linestyle"):
        assert getattr(lines[0], look)() != getattr(lines[1], look)() or look == "get_linestyle"
    assert lines[0]._dash_pattern != lines[1]._dash_pattern
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[:2] == ["residual=pre", "residual=post"]


def test_a_baseline_near_the_runs_is_a_line_and_one_far_off_is_written_at_the_edge() -> None:
    (axes,) = factory.draw("accuracy", factory.study({"depth": [1, 2]})).axes
    (line,) = factory.labelled(axes, "TF-IDF + LR")
    assert list(line.get_ydata()) == [0.88, 0.88] and not factory.labelled(axes, "most common class")
    texts = {text.get_text().replace("\n", " ") for text in axes.texts}
    assert texts == {"TF-IDF + LR 0.88", "\N{DOWNWARDS ARROW} most common class 0.25"}
    low, high = axes.get_ylim()
    assert low > 0.5 and high < 1.0  # the runs, not the baselines, set the range


def test_data_without_a_text_baseline_have_no_line_for_it() -> None:
    frames = factory.study({"depth": [1, 2]})
    frames.facts["subjects"]["tfidf_acc"] = None
    assert not factory.labelled(factory.draw("accuracy", frames).axes[0], "TF-IDF + LR")


def test_a_diverged_run_is_a_cross_with_its_count_and_in_no_mean() -> None:
    frames = factory.study({"depth": [1, 2, 4]}, diverged=[("depth=2", 1), *(("depth=4", s) for s in range(3))])
    frames.runs.loc[frames.runs["status"] == "diverged", "test_acc"] = 0.1  # as if it had been tested all the same
    figure = factory.draw("accuracy", frames)
    (top,) = figure.axes
    (line,), (cross,) = factory.labelled(top, "mean"), factory.labelled(top, "broken")
    done = frames.runs[frames.runs["status"] == "done"].groupby("depth")["test_acc"].mean()
    assert list(line.get_xdata()) == [1, 2] and np.allclose(line.get_ydata(), done)
    assert list(cross.get_xdata()) == [2, 4] and [text.get_text() for text in top.texts][-2:] == ["1/3", "3/3"]
    assert "diverged, k of n runs" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert max(cross.get_ydata()) < min(line.get_ydata())


def test_a_single_run_is_a_point_without_an_interval() -> None:
    top = factory.draw("accuracy", factory.study(seeds=1)).axes[0]
    (line,) = factory.labelled(top, "mean")
    assert len(line.get_xdata()) == 1 and not factory.labelled(top, "interval")
