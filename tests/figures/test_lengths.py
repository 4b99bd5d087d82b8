"""Lengths: the figure shows means of the frame, above the loss of the data's source if that is known."""

from typing import Any

import numpy as np
import pytest

from stackcli.analysis.study_data import Frames
from stackcli.figures import base
from tests.figures import factory


def longer(frames: Frames, entropy: float | None) -> Frames:
    """The study with test parts of three lengths, on data of that entropy."""
    cells: list[Any] = []
    for seed in frames.runs["seed"]:
        cells.append([[16, 1.6 + seed / 100, 0.9, 1.5], [32, 1.7, 0.8 + seed / 100, 1.6], [64, 2.5 + seed, 0.5, 1.4]])
    runs = frames.runs.assign(by_length=cells, **{"data.train_len": 32})
    facts = {name: {**facts, "entropy": entropy} for name, facts in frames.facts.items()}
    return Frames(**{**vars(frames), "runs": runs, "facts": facts})


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    frames = factory.CASES[case]()
    if len(frames.runs) and (frames.runs["status"] == "done").any():
        factory.check(factory.draw("lengths", frames))
        factory.check(factory.draw("lengths", longer(frames, 1.5)))


def test_data_of_one_length_draw_nothing() -> None:
    frames = factory.study({"pe": ["learned", "none"]})
    assert (
        base.load_figure("lengths")(Frames(**{**vars(frames), "runs": frames.runs.drop(columns="by_length")})) is None
    )


def test_lines_are_means_of_the_loss_above_the_sources_own_on_the_same_items() -> None:
    frames = longer(factory.study({"pe": ["learned", "none"]}), 1.5)
    (axes,) = factory.draw("lengths", frames).axes
    for line in factory.labelled(axes, "mean"):
        assert list(line.get_xdata()) == [16, 32, 64]
        assert np.allclose(line.get_ydata(), [0.11, 0.1, 2.1])
    (trained,) = factory.labelled(axes, "trained")
    assert list(trained.get_xdata()) == [32, 32] and "nats" in axes.get_ylabel()


def test_without_a_known_entropy_accuracy_is_drawn() -> None:
    (axes,) = factory.draw("lengths", longer(factory.study({"pe": ["learned", "none"]}), None)).axes
    assert axes.get_ylabel() == "accuracy (share)"
    assert np.allclose(factory.labelled(axes, "mean")[0].get_ydata(), [0.9, 0.81, 0.5])
