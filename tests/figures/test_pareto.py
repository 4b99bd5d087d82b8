"""The figure of accuracy against time: its numbers, and the front."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackcli.figures import base
from stackcli.figures._points import Point
from stackcli.figures.pareto import Spot, _find_front
from tests.figures import factory

ALONE = ("one run", "thirty classes", "all diverged")  # fewer than two points with results


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = base.load_figure("pareto")(factory.CASES[case]())
    assert (figure is None) == (case in ALONE)
    if figure is not None:
        factory.check(figure)


def test_a_point_is_at_its_time_and_mean_accuracy_with_every_seed() -> None:
    frames = factory.study({"depth": [1, 2, 4]})
    (axes,) = factory.draw("pareto", frames).axes
    for depth, rows in frames.runs.groupby("depth"):
        (spot,) = factory.labelled(axes, f"depth={depth}")
        assert list(spot.get_xdata()) == [rows["step_ms"].iloc[0]]
        assert np.allclose(spot.get_ydata(), rows["test_acc"].mean())
    dots = np.concatenate([line.get_ydata() for line in factory.labelled(axes, "seeds")])
    assert sorted(dots) == sorted(frames.runs["test_acc"])
    assert axes.get_xscale() == "log"


def test_every_data_set_has_a_panel_and_its_points() -> None:
    rows = [factory.study({"arm": [f"{data} {kind}"]}, data=data, attention=kind) for data, kind in ARMS]
    frames = replace(rows[0], runs=pd.concat([part.runs for part in rows], ignore_index=True))
    first, second = factory.draw("pareto", frames).axes
    assert (first.get_title(), second.get_title()) == ("data=recall", "data=listops")
    for axes, data in ((first, "recall"), (second, "listops")):
        assert [len(factory.labelled(axes, f"{data} {kind}")) for kind in ("full", "window")] == [1, 1]


ARMS = list(itertools.product(("recall", "listops"), ("full", "window")))


def spot(time: float, accuracy: float) -> Spot:
    return Spot("", Point("", (), 1, (), ()), time, (time, time), accuracy, accuracy, accuracy, (accuracy,))


def test_the_front_has_the_points_that_no_other_beats_in_both() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        spots = [spot(float(t), float(a)) for t, a in draw.integers(1, 6, (7, 2))]
        front = _find_front(spots)
        assert [s.time for s in front] == sorted({s.time for s in front})
        for s in spots:
            beaten = any(o.time <= s.time and o.accuracy > s.accuracy for o in spots) or any(
                o.time < s.time and o.accuracy >= s.accuracy for o in spots
            )
            assert (not beaten) == any((f.time, f.accuracy) == (s.time, s.accuracy) for f in front)


def test_a_study_without_times_has_no_such_figure() -> None:
    from stackcli.figures import pareto

    frames = factory.study({"depth": [1, 2]})
    frames.runs["step_ms"] = np.nan
    assert pareto.draw(frames) is None
