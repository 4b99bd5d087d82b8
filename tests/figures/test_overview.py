"""Overview: each panel shows a quantity of every run, and the verdict stands above."""

from dataclasses import replace

import numpy as np
import pytest

from stackcli.figures import base, overview
from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = overview.draw(factory.CASES[case]())
    assert (figure is None) == (case in ("one run", "thirty classes", "all diverged"))
    if figure:
        factory.check(figure)


def test_each_panel_shows_the_mean_of_a_quantity_at_each_depth() -> None:
    frames = factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]})
    figure = factory.draw("overview", frames)
    assert len(figure.axes) == 4
    for axes, column in zip(figure.axes, ("test_acc", "gap_end", "free_ratio_init", "step_ms"), strict=True):
        for line, scheme in zip(factory.labelled(axes, "mean"), ("pre", "post"), strict=True):
            rows = frames.runs[frames.runs["residual"] == scheme]
            assert np.allclose(line.get_ydata(), rows.groupby("depth")[column].mean()), column
    assert figure.axes[0].get_title(loc="left") == "result on the test part, best weights"
    assert figure.axes[2].get_title(loc="left").endswith("at initialisation")


def test_every_data_set_is_a_column_and_is_ranked_by_its_own_metric() -> None:
    frames = factory.study({"pe": ["none", "rope"], "data": ["subjects", "markov"]})
    frames.runs["test_excess"] = frames.runs["test_acc"] / 10
    frames.facts["markov"]["entropy"] = 1.2
    figure = factory.draw("overview", frames)
    factory.check(figure)
    assert len(figure.axes) == 8
    rows = frames.runs[frames.runs["data"] == "markov"].groupby("pe")["test_excess"].mean()
    assert np.allclose(factory.labelled(figure.axes[1], "mean")[0].get_ydata(), rows)
    assert [axes.get_ylabel() for axes in figure.axes[:2]] == ["accuracy (share)", "excess loss (nats)"]


def test_the_verdict_is_that_of_the_sentences() -> None:
    frames = factory.study({"depth": [1, 2]})
    (words,) = [text.get_text() for text in factory.draw("overview", frames).texts if text.get_gid() == "when"]
    assert words.replace("\n", " ").startswith(base.verdict(frames)[0])


def test_searches_have_an_overview_of_their_own() -> None:
    assert overview.draw(replace(factory.study({"depth": [1, 2]}), command="search")) is None
