"""Loss curves: means, single runs, best steps."""

from dataclasses import replace

import numpy as np
import pytest

from stackcli.figures import base
from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("loss", factory.CASES[case]()))


@pytest.mark.parametrize("column", ["train_loss", "val_loss"])
def test_the_thick_line_is_the_mean_and_thin_ones_are_the_runs(column: str) -> None:
    frames = factory.study({"depth": [1, 2]})
    axes = factory.draw("loss", frames).axes[1]
    rows = frames.curve[frames.curve["depth"] == 2]
    (mean,) = factory.labelled(axes, f"{column} mean")
    assert np.allclose(mean.get_ydata(), rows.groupby("step")[column].mean())
    for run, single in rows.groupby("run"):
        (line,) = factory.labelled(axes, f"{column} {run}")
        assert np.array_equal(line.get_xdata(), single["step"]) and np.array_equal(line.get_ydata(), single[column])


def test_many_seeds_become_a_band_of_the_t_interval() -> None:
    frames = factory.study(seeds=8)
    (axes,) = factory.draw("loss", frames).axes
    (band,) = factory.labelled(axes, "val_loss band")
    points = band.get_paths()[0].vertices
    at = frames.curve[frames.curve["step"] == 50]["val_loss"]
    drawn = sorted({round(float(y), 9) for x, y in points if x == 50})
    assert drawn == pytest.approx(base.interval(at)[1:], abs=1e-8)


def test_the_best_step_of_every_run_is_marked_on_its_validation_loss() -> None:
    frames = factory.study({"depth": [1, 2]})
    frames.runs["step_best"] = [10 * i for i in range(6)]
    axes = factory.draw("loss", frames).axes[1]
    (best,) = factory.labelled(axes, "best")
    rows = frames.curve.merge(frames.runs[["run", "step_best"]]).query("depth == 2 and step == step_best")
    assert list(best.get_xdata()) == [30, 40, 50] and np.array_equal(best.get_ydata(), rows["val_loss"])


def test_seeds_that_stopped_early_end_the_mean_not_the_lines() -> None:
    frames = factory.study(seeds=2)
    frames = replace(frames, curve=frames.curve.query("seed == 0 or step <= 100"))
    (axes,) = factory.draw("loss", frames).axes
    (mean,) = factory.labelled(axes, "val_loss mean")
    assert max(mean.get_xdata()) == 100 and np.max(axes.lines[0].get_xdata()) == 200


def test_of_more_than_twelve_points_twelve_are_drawn_and_the_figure_says_so() -> None:
    figure = factory.draw("loss", factory.CASES["twenty depths"]())
    titles = factory.titles(figure)
    assert len(titles) == 12 and titles[0] == "depth=1" and titles[-1] == "depth=20"
    assert figure.get_supxlabel().startswith("12 of 20 points shown")


def test_a_diverged_run_ends_in_a_cross_is_in_no_mean_and_does_not_set_the_scale() -> None:
    frames = factory.study({"depth": [1, 2]}, diverged=[("depth=2", 1)])
    calm = factory.draw("loss", factory.study({"depth": [1, 2]}))
    figure = factory.draw("loss", frames)
    axes = figure.axes[1]
    (cross,), (mean,) = factory.labelled(axes, "diverged"), factory.labelled(axes, "train_loss mean")
    assert list(cross.get_xdata()) == [60]
    kept = frames.curve.query("depth == 2 and seed != 1").groupby("step")["train_loss"].mean()
    assert np.allclose(mean.get_ydata(), kept)
    assert axes.get_title() == "depth=2, diverged 1 of 3"
    assert axes.get_ylim()[1] == pytest.approx(calm.axes[1].get_ylim()[1], rel=0.05)
