"""Accuracy: the figure shows the numbers of the frame."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.figures import factory


@pytest.mark.parametrize("case", factory.CASES)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("accuracy", factory.CASES[case]()))


def test_the_line_is_the_mean_over_seeds_and_every_seed_is_a_point() -> None:
    frames = factory.study({"depth": [1, 2, 4, 8]})
    top, bottom = factory.draw("accuracy", frames).axes
    for axes, columns in ((top, ["test_acc"]), (bottom, ["gap_end", "gap_best"])):
        for line, dots, column in zip(
            factory.labelled(axes, "mean"), factory.labelled(axes, "seeds"), columns, strict=True
        ):
            mean = frames.runs.groupby("depth")[column].mean()
            assert np.array_equal(line.get_xdata(), mean.index)
            assert np.allclose(line.get_ydata(), mean)
            drawn = sorted(zip(dots.get_xdata(), dots.get_ydata(), strict=True))
            assert drawn == sorted(zip(frames.runs["depth"], frames.runs[column], strict=True))


def test_the_bar_is_the_t_interval() -> None:
    frames = factory.study({"depth": [1, 2]}, seeds=5)
    (bars,) = factory.labelled(factory.draw("accuracy", frames).axes[0], "interval")
    for (start, end), (_, rows) in zip(bars.get_segments(), frames.runs.groupby("depth"), strict=True):
        low, high = stats.t.interval(0.95, 4, rows["test_acc"].mean(), stats.sem(rows["test_acc"]))
        assert (start[1], end[1]) == pytest.approx((low, high))


def test_depth_is_the_x_axis_and_geometric_depths_are_the_ticks_of_a_logarithmic_scale() -> None:
    values: dict[str, list[Any]] = {"depth": [1, 2, 4, 8], "pe": ["learned", "none"]}
    for names in (["depth", "pe"], ["pe", "depth"]):
        axes = {name: values[name] for name in names}
        top, bottom = factory.draw("accuracy", factory.study(axes, seeds=1)).axes
        assert bottom.get_xlabel() == "depth (blocks)" and bottom.get_xscale() == "log"
        assert [text.get_text() for text in bottom.get_xticklabels()] == ["1", "2", "4", "8"]
        assert top.get_xlim() == bottom.get_xlim()


def test_categories_are_evenly_spaced_and_not_joined() -> None:
    frames = factory.study({"pe": ["learned", "sinusoidal", "relative"]})
    top, bottom = factory.draw("accuracy", frames).axes
    (line,) = factory.labelled(top, "mean")
    assert list(line.get_xdata()) == [0, 1, 2] and line.get_linestyle() == "None"
    assert [text.get_text() for text in bottom.get_xticklabels()] == ["learned", "sinusoidal", "relative"]


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


def test_the_baselines_are_the_facts() -> None:
    frames = factory.study({"depth": [1, 2]})
    figure = factory.draw("accuracy", frames)
    for name, value in (("majority class", 0.25), ("TF-IDF + logistic regression", 0.88)):
        (line,) = factory.labelled(figure.axes[0], name)
        assert list(line.get_ydata()) == [value, value]
        assert f"{name} ({value:.2f})" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_data_without_a_text_baseline_have_no_line_for_it() -> None:
    frames = factory.study({"depth": [1, 2]})
    frames.facts["subjects"]["tfidf_acc"] = None
    assert not factory.labelled(factory.draw("accuracy", frames).axes[0], "TF-IDF + logistic regression")


def test_a_diverged_run_is_a_cross_with_its_count_and_in_no_mean() -> None:
    frames = factory.study({"depth": [1, 2, 4]}, diverged=[("depth=2", 1), *(("depth=4", s) for s in range(3))])
    frames.runs.loc[frames.runs["status"] == "diverged", "test_acc"] = 0.1  # as if it had been tested all the same
    figure = factory.draw("accuracy", frames)
    top = figure.axes[0]
    (line,), (cross,) = factory.labelled(top, "mean"), factory.labelled(top, "broken")
    done = frames.runs[frames.runs["status"] == "done"].groupby("depth")["test_acc"].mean()
    assert list(line.get_xdata()) == [1, 2] and np.allclose(line.get_ydata(), done)
    assert list(cross.get_xdata()) == [2, 4] and [text.get_text() for text in top.texts] == ["1/3", "3/3"]
    assert "diverged, k of n runs" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert max(cross.get_ydata()) < min(line.get_ydata())


def test_a_single_run_is_a_point_without_an_interval() -> None:
    top = factory.draw("accuracy", factory.study(seeds=1)).axes[0]
    (line,) = factory.labelled(top, "mean")
    assert len(line.get_xdata()) == 1 and not factory.labelled(top, "interval")
