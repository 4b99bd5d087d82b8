"""Sensitivity: the lowest validation loss at each searched value."""

import numpy as np
import pandas as pd
import pytest

from stackcli.figures import base, sensitivity
from tests.figures import factory


def test_lines_are_means_and_the_ring_is_at_the_lowest() -> None:
    frames = factory.study({"pe": ["learned", "none"], "lr": [0.001, 0.003, 0.01]})
    frames.runs["val_loss"] = 0.5 + (np.log(frames.runs["lr"]) - np.log(0.003)) ** 2 + 0.01 * frames.runs["seed"]
    figure = factory.draw("sensitivity", frames)
    factory.check(figure)
    (axes,) = figure.axes
    for line, ring in zip(factory.labelled(axes, "mean"), factory.labelled(axes, "best"), strict=True):
        assert np.allclose(line.get_ydata(), frames.runs[frames.runs["pe"] == "none"].groupby("lr")["val_loss"].mean())
        assert list(ring.get_xdata()) == pytest.approx([0.003])


def test_a_panel_for_each_data_set() -> None:
    frames = factory.study({"pe": ["learned", "none"], "data": ["digits", "markov"], "lr": [0.001, 0.003, 0.01]})
    figure = factory.draw("sensitivity", frames)
    factory.check(figure)
    assert factory.titles(figure) == ["data=digits", "data=markov"]


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_a_study_that_searched_nothing_draws_nothing(case: str) -> None:
    assert base.load_figure("sensitivity")(factory.CASES[case]()) is None


def test_the_names_of_lines_are_made_in_the_order_of_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters that no font has are numbered in that order, so it must not differ from process to process."""
    asked: list[str] = []

    def safe_text(value: object) -> str:
        asked.append(str(value))
        return str(value)

    monkeypatch.setattr(base, "safe_text", safe_text)
    values = [f"value {i}" for i in range(30)]
    runs = pd.DataFrame({"pe": values + values[::-1]})
    assert sensitivity._names(runs, ["pe"]) == [f"pe={value}" for value in values + values[::-1]]
    assert asked == values
