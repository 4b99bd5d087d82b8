"""A number of each run against a setting: means with intervals, limits, and runs that broke."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from scipy import stats

from stackcli.figures import _figure, _levels, _points
from tests.figures import factory


def panel() -> Axes:
    """The only panel of a new figure."""
    _, ((axes,),) = _figure.new(3.0, 2.0)
    assert isinstance(axes, Axes)
    return axes


def test_every_choice_of_the_other_axes_is_a_line_and_lines_are_moved_apart() -> None:
    frames = factory.study({"depth": [1, 2], "residual": ["pre", "post", "none"]})
    found, remark = _levels.groups(frames, frames.runs, "depth")
    assert [name for name, *_ in found] == ["residual=pre", "residual=post", "residual=none"]
    assert [dodge for *_, dodge in found] == pytest.approx([-0.12, 0.0, 0.12])
    assert [set(runs["residual"]) for _, runs, _, _ in found] == [{"pre"}, {"post"}, {"none"}] and remark == ""
    frames = factory.study({"depth": [1, 2]})
    (only,), remark = _levels.groups(frames, frames.runs, "depth")
    assert only[0] == "" and len(only[1]) == 6 and only[3] == 0.0


def test_of_many_choices_nine_are_lines_and_the_figure_says_so() -> None:
    frames = factory.study({"depth": [1], "pe": [f"e{i}" for i in range(12)]}, seeds=1)
    found, remark = _levels.groups(frames, frames.runs, "depth")
    assert len(found) == 9 and remark == "9 of 12 lines shown"
    assert (found[0][0], found[-1][0]) == ("pe=e0", "pe=e11") and found[-1][3] == pytest.approx(0.3)


def test_a_line_has_the_mean_the_interval_and_each_seed_of_the_finished_runs() -> None:
    frames = factory.study({"depth": [1, 2, 4]}, seeds=4, diverged=[("depth=4", 0)])
    frames.runs["test_acc"] = frames.runs["test_acc"].fillna(99.0)  # of the run that diverged
    (group,), _ = _levels.groups(frames, frames.runs, "depth")
    axes = panel()
    _levels.line(axes, _points.scale("depth", frames.runs["depth"]), group, "test_acc")
    done = frames.runs[frames.runs["status"] == "done"].groupby("depth")["test_acc"]
    (mean,), (bars,), (dots,) = (factory.labelled(axes, label) for label in ("mean", "interval", "seeds"))
    assert list(mean.get_xdata()) == [1, 2, 4] and np.allclose(mean.get_ydata(), done.mean())
    for (low, high), (_, values) in zip(bars.get_segments(), done, strict=True):
        expected = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        assert (low[1], high[1]) == pytest.approx(expected)
    assert (
        sorted(dots.get_ydata()) == sorted(value for value in frames.runs["test_acc"] if value < 1)
        and len(dots.get_ydata()) == 11
    )


def test_categories_are_not_joined_and_a_single_seed_is_no_dot() -> None:
    frames = factory.study({"pe": ["learned", "rope"]}, seeds=1)
    (group,), _ = _levels.groups(frames, frames.runs, "pe")
    axes = panel()
    _levels.line(axes, _points.scale("pe", frames.runs["pe"]), group, "test_acc")
    (mean,), (dots,) = factory.labelled(axes, "mean"), factory.labelled(axes, "seeds")
    assert mean.get_linestyle() == "None" and list(mean.get_xdata()) == [0, 1] and len(dots.get_xdata()) == 0


def test_limits_hold_the_points_and_the_lines_that_do_not_squeeze_them() -> None:
    axes = panel()
    axes.plot([1, 2], [0.5, 0.6])
    assert _levels.limits(axes, [0.65, 5.0]) == {0.65}
    # from .5 to .65 with a twentieth of the range on either side; 5 would make the range 45 times as large
    assert axes.get_ylim() == pytest.approx((0.5 - 0.05 * 0.15, 0.65 + 0.05 * 0.15))


def test_an_interval_far_wider_than_the_points_is_cut() -> None:
    axes = panel()
    axes.plot([1, 2], [0.5, 0.6])
    axes.vlines([1], [-10], [10])
    _levels.limits(axes, [])
    low, high = 0.5 - 2 * 0.1, 0.6 + 2 * 0.1
    assert axes.get_ylim() == pytest.approx((low - 0.05 * (high - low), high + 0.05 * (high - low)))
    _levels.limits(axes, [], most=0.7)
    assert axes.get_ylim() == pytest.approx((low - 0.05 * (0.7 - low), 0.7 + 0.05 * (0.7 - low)))


def test_equal_points_get_the_least_range_and_no_points_the_whole() -> None:
    axes = panel()
    axes.plot([1, 2], [0.5, 0.5])
    _levels.limits(axes, [], least=0.2)
    assert axes.get_ylim() == pytest.approx((0.4 - 0.05 * 0.2, 0.6 + 0.05 * 0.2))
    axes = panel()
    _levels.limits(axes, [], least=0.2, most=1.0)
    assert axes.get_ylim() == pytest.approx((0.2 - 0.05 * 0.8, 1.0 + 0.05 * 0.8))


def test_broken_runs_are_crosses_in_a_strip_below_the_data() -> None:
    frames = factory.study({"depth": [1, 4]}, diverged=[("depth=4", 0), ("depth=4", 2)])
    found, _ = _levels.groups(frames, frames.runs, "depth")
    axes = panel()
    axes.set_ylim(0.05, 1.05)
    ((_, words),) = _levels.mark_broken_runs(axes, _points.scale("depth", frames.runs["depth"]), found)
    assert words == "diverged, k of n runs"
    (crosses,) = factory.labelled(axes, "broken")
    assert list(crosses.get_xdata()) == [4] and axes.get_ylim() == pytest.approx((0.05 - 0.14, 1.05))
    assert 0.05 - 0.14 < crosses.get_ydata()[0] < 0.05 and [text.get_text() for text in axes.texts] == ["2/3"]
    assert min(axes.get_yticks()) >= 0.05  # no tick in the strip


def test_without_broken_runs_there_is_no_strip() -> None:
    frames = factory.study({"depth": [1, 4]})
    found, _ = _levels.groups(frames, frames.runs, "depth")
    axes = panel()
    axes.set_ylim(0.0, 1.0)
    assert _levels.mark_broken_runs(axes, _points.scale("depth", frames.runs["depth"]), found) == []
    assert axes.get_ylim() == (0.0, 1.0) and not axes.texts


def test_a_choice_keeps_its_look_in_a_panel_whose_data_set_lacks_another() -> None:
    frames = factory.study({"depth": [1, 2], "pe": ["none", "rope", "t5"], "data": ["subjects", "digits"]}, seeds=1)
    own = frames.runs[(frames.runs["data"] == "digits") & (frames.runs["pe"] != "none")]
    every, _ = _levels.groups(frames, frames.runs, "depth")
    some, _ = _levels.groups(frames, own, "depth")
    assert [(name, style, dodge) for name, _, style, dodge in some] == [(n, s, d) for n, _, s, d in every]
    assert [len(rows) for _, rows, _, _ in some] == [0, 2, 2]


def test_data_sets_that_do_not_fit_are_named() -> None:
    frames = factory.study({"pe": ["none", "rope"], "data": [f"d{i}" for i in range(5)]}, seeds=1)
    parts, missing = _levels.data_parts(frames, frames.runs, "pe", 3)
    assert [title for title, _ in parts] == ["data=d0", "data=d2", "data=d4"] and missing == "3 of 5 data sets shown"
    for name in ("overview", "fit", "accuracy", "time"):
        figure = factory.draw(name, frames)
        factory.check(figure)
        assert ("of 5 data sets shown" in figure.get_supxlabel().replace("\n", " ")) == (name != "accuracy"), name
