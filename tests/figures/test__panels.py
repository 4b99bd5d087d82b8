"""Panels of points: a grid where two axes were swept, and no data set without panels."""

from typing import Any

import pytest

from stackcli.figures import _panels, _points
from tests.figures import factory


def drawn(frames: Any, **options: Any) -> tuple[list[str], int, str]:
    """Names of the points in the order of their panels, columns, and the remark."""
    _, pairs, remark = _panels.point_panels(frames, _points.points(frames), 1.5, **options)
    place: Any = pairs[0][0].get_subplotspec()
    return [point.key for _, point in pairs], place.get_gridspec().ncols, remark


@pytest.mark.parametrize("names", [("depth", "residual"), ("residual", "depth")])
def test_two_axes_are_a_row_for_each_scheme_with_the_same_depths(names: tuple[str, str]) -> None:
    values: dict[str, list[Any]] = {"depth": [1, 2, 4, 8, 16], "residual": ["pre", "post"]}
    frames = factory.study({name: values[name] for name in names}, seeds=1)
    _, pairs, remark = _panels.point_panels(frames, _points.points(frames), 1.5)
    at = [(point.values[names.index("residual")], point.depth) for _, point in pairs]
    assert at == [(scheme, depth) for scheme in ("pre", "post") for depth in (1, 2, 4, 8, 16)] and remark == ""


def test_every_data_set_is_a_column_and_every_encoding_a_row() -> None:
    frames = factory.study({"pe": ["none", "rope", "t5"], "data": ["subjects", "digits", "markov"]}, seeds=1)
    keys, columns, remark = drawn(frames)
    assert columns == 3 and remark == ""
    assert keys == [
        f"pe={pe} data={data}" for pe in ("none", "rope", "t5") for data in ("subjects", "digits", "markov")
    ]


def test_of_many_points_every_data_set_keeps_the_same_number() -> None:
    frames = factory.study({"pe": [f"e{i}" for i in range(9)], "data": ["subjects", "digits", "markov"]}, seeds=1)
    keys, columns, remark = drawn(frames)
    assert columns == 3 and len(keys) == 12 and remark == "12 of 27 points shown"
    assert [sum(data in key for key in keys) for data in ("subjects", "digits", "markov")] == [4, 4, 4]
    frames = factory.study({"depth": [1, 2, 4, 8], "pe": ["a", "b"], "data": ["subjects", "digits"]}, seeds=1)
    keys, columns, remark = drawn(frames)
    assert columns == 4 and remark == "8 of 16 points shown"
    assert [sum(data in key for key in keys) for data in ("subjects", "digits")] == [4, 4]


def test_a_point_that_is_not_in_the_study_leaves_its_place_empty() -> None:
    frames = factory.study({"depth": [1, 2], "residual": ["pre", "post"]}, seeds=1)
    found = [point for point in _points.points(frames) if point.values != (2, "pre")]
    figure, pairs, remark = _panels.point_panels(frames, found, 1.5)
    assert [point.values for _, point in pairs] == [(1, "pre"), (1, "post"), (2, "post")] and remark == ""
    places = [axes.get_subplotspec() for axes in figure.axes]
    assert [(place.rowspan.start, place.colspan.start) for place in places if place] == [(0, 0), (1, 0), (1, 1)]


def test_one_axis_is_spread_evenly_over_at_most_twelve_panels() -> None:
    keys, columns, remark = drawn(factory.study({"depth": list(range(1, 24))}, seeds=1))
    assert keys == [f"depth={depth}" for depth in range(1, 24, 2)] and columns == 4
    assert remark == "12 of 23 points shown"


def test_panels_of_one_data_set_share_their_y_axis_and_others_do_not() -> None:
    frames = factory.study({"pe": ["none", "rope"], "data": ["subjects", "digits"]}, seeds=1)
    _, pairs, _ = _panels.point_panels(frames, _points.points(frames), 1.5, sharey=True)
    for axes, point in pairs:
        axes.set_ylim(0, 1 if point.values[1] == "subjects" else 5)
    assert [axes.get_ylim()[1] for axes, _ in pairs] == [1, 5, 1, 5]
    pairs[0][0].set_ylim(0, 2)
    assert [axes.get_ylim()[1] for axes, _ in pairs] == [2, 5, 2, 5]
