"""Accuracy by step: what differs from the figure of the loss."""

import numpy as np
import pytest

from tests.figures import factory


@pytest.mark.parametrize("case", factory.FEW)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    factory.check(factory.draw("accuracy_steps", factory.CASES[case]()))


@pytest.mark.parametrize("column", ["train_acc", "val_acc"])
def test_the_lines_are_the_runs_accuracies_and_their_mean(column: str) -> None:
    frames = factory.study({"depth": [1, 2]})
    axes = factory.draw("accuracy_steps", frames).axes[1]
    rows = frames.curve[frames.curve["depth"] == 2]
    (mean,) = factory.labelled(axes, f"{column} mean")
    assert np.allclose(mean.get_ydata(), rows.groupby("step")[column].mean())
    assert axes.get_ylim() == (-0.02, 1.02) or axes.get_ylim() == pytest.approx((-0.02, 1.02))


def test_the_step_of_the_lowest_validation_loss_is_marked_on_the_accuracy() -> None:
    frames = factory.study({"depth": [1, 2]})
    frames.runs["step_best"] = [10 * i for i in range(6)]
    (best,) = factory.labelled(factory.draw("accuracy_steps", frames).axes[1], "best")
    rows = frames.curve.merge(frames.runs[["run", "step_best"]]).query("depth == 2 and step == step_best")
    assert list(best.get_xdata()) == [30, 40, 50] and np.array_equal(best.get_ydata(), rows["val_acc"])
