"""The points of a study, and how swept settings lie on an axis."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stackcli.figures import _figure, _points, _words
from tests.figures import factory


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([16, 1, 4, 2, 8], "log"),
        ([1e-4, 1e-3, 1e-2], "log"),
        ([1, 2, 3, 4, 5, 6], "even"),
        ([1, 2], "even"),
        ([0, 1, 2, 4], "even"),
        (["b", "a"], "category"),
        ([True, False], "category"),
        ([8.0, math.nan], "category"),
    ],
)
def test_numbers_that_look_geometric_are_on_a_logarithmic_scale(values: list[Any], kind: str) -> None:
    scale = _points.scale("x", values)
    assert scale.kind == kind
    if kind == "category":
        assert scale.levels == tuple(_points.plain(value) for value in values)  # in the order met
    else:
        assert list(scale.levels) == sorted(values)


def test_twenty_depths_are_evenly_spaced() -> None:
    assert _points.scale("depth", range(1, 21)).kind == "even"


def test_points_are_sorted_by_the_axes_and_keep_broken_runs_apart() -> None:
    frames = factory.study({"depth": [8, 2], "pe": ["relative", "learned"]}, diverged=[("depth=8 pe=learned", 1)])
    points = _points.points(frames)
    assert [p.values for p in points] == [(2, "relative"), (2, "learned"), (8, "relative"), (8, "learned")]
    assert points[3].remark == "diverged 1 of 3" and len(points[3].done) == 2 and points[0].remark == ""


def test_a_run_that_two_arms_share_is_taken_once_in_each() -> None:
    frames = factory.study({"arm": ["a", "b"]}, seeds=1)
    for frame in (frames.runs, frames.curve):
        frame["run"] = "the same"
    for point in _points.points(frames):
        assert set(point.rows(frames.curve)["point"]) == {point.key}


def test_a_spread_keeps_both_ends() -> None:
    assert _points.spread_evenly(range(20), 4) == [0, 6, 13, 19]
    assert _points.spread_evenly("abc", 4) == ["a", "b", "c"]


def test_a_value_lies_at_its_number_or_its_place_and_is_moved_by_a_share_of_the_least_distance() -> None:
    even = _points.Scale("heads", (1, 3, 4), "even")
    assert (even.at(3), even.at(3, 0.5)) == (3, 3.5)
    assert (
        _points.Scale("heads", (8,), "even").at(8, 0.5) == 12 and _points.Scale("heads", (0,), "even").at(0, 0.5) == 0.5
    )
    log = _points.Scale("depth", (1, 2, 8), "log")
    assert log.at(8) == 8 and log.at(2, 0.5) == pytest.approx(2 * math.sqrt(2)) and log.at(2, -1) == pytest.approx(1)
    assert _points.Scale("pe", ("rope", "alibi"), "category").at("alibi", -0.25) == 0.75


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (8.0, 8),
        (0.5, 0.5),
        (math.nan, None),
        (None, None),
        (pd.NA, None),
        (np.int64(3), 3),
        (np.bool_(True), True),
        ("a", "a"),
    ],
)
def test_a_cell_of_a_frame_is_the_value_that_was_set(value: object, expected: object) -> None:
    found = _points.plain(value)
    assert found == expected and type(found) is type(expected)


def test_an_axis_of_depths_is_logarithmic_with_a_tick_for_each_and_half_a_step_of_room() -> None:
    _, ((axes,),) = _figure.new(3.0, 2.0)
    _points.scale("depth", [4, 1, 2]).dress(axes, "x", 200)
    assert axes.get_xscale() == "log" and list(axes.get_xticks()) == [1, 2, 4]
    assert axes.get_xlabel() == "depth (blocks)"
    assert axes.get_xlim() == pytest.approx((1 / math.sqrt(2), 4 * math.sqrt(2)))


def test_names_without_room_are_turned_on_the_x_axis_and_the_figure_grows_by_the_longest() -> None:
    names = ("a short one", "a rather long name of an encoding")
    scale = _points.Scale("pe", names, "category")
    for side, room, turned in (("x", 400.0, False), ("x", 40.0, True), ("y", 40.0, False)):
        figure, ((axes,),) = _figure.new(3.0, 2.0)
        scale.dress(axes, "x" if side == "x" else "y", room, most=400)
        labels = axes.get_xticklabels() if side == "x" else axes.get_yticklabels()
        assert [label.get_rotation() for label in labels] == [90.0 if turned else 0.0] * 2
        assert figure.get_figheight() == pytest.approx(2.0 + turned * _words.width(names[1]) / 72)


def test_the_heading_of_a_panel_says_what_went_wrong_on_a_line_of_its_own_where_there_is_no_room() -> None:
    frames = factory.study({"depth": [8]}, diverged=[("depth=8", 1), ("depth=8", 2)])
    (point,) = _points.points(frames)
    assert point.heading(400) == "depth=8, diverged 2 of 3"
    assert point.heading(70) == "depth=8\ndiverged 2 of 3"


def test_a_point_without_a_finished_run_shows_its_first_broken_run() -> None:
    broken = factory.study({"depth": [8]}, diverged=[("depth=8", seed) for seed in range(3)])
    (point,) = _points.points(broken)
    assert set(point.shown(broken.curve)["run"]) == {"depth=8/0"} and point.rows(broken.curve).empty
    some = factory.study({"depth": [8]}, diverged=[("depth=8", 0)])
    (point,) = _points.points(some)
    assert set(point.shown(some.curve)["run"]) == {"depth=8/1", "depth=8/2"}


def test_runs_that_are_missing_are_no_part_of_a_point() -> None:
    frames = factory.study({"depth": [2, 4]})
    frames.runs.loc[frames.runs["depth"] == 4, "status"] = "missing"
    assert [(point.key, point.count) for point in _points.points(frames)] == [("depth=2", 3)]


def test_the_number_of_points_left_out_is_named() -> None:
    assert _points.left_out(9, 20, "points") == "9 of 20 points shown" and _points.left_out(9, 9, "points") == ""


def test_the_last_map_of_a_block_is_ff2_or_o_where_there_is_no_feed_forward_map() -> None:
    layers = pd.DataFrame({"run": ["a", "a", "a", "b", "b"], "tensor": ["q", "o", "ff2", "q", "o"], "g1": range(5)})
    assert _points.last_map(layers)["g1"].tolist() == [2, 4]
