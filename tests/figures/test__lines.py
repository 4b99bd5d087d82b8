"""How the points of a study differ as lines."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from stackcli.figures import _figure, _lines, _style
from tests.figures import factory


@pytest.mark.parametrize("count", range(1, 10))
def test_lines_differ_in_colour_or_marker_and_the_first_six_in_grey(count: int) -> None:
    looks = [(to_rgb(s["color"]), s["marker"]) for s in _lines.styles(count)]
    assert len(set(looks)) == count
    grey = sorted(np.dot(to_rgb(s["color"]), [0.2126, 0.7152, 0.0722]) for s in _lines.styles(min(count, 6)))
    assert all(np.diff(grey) > 0.02)


def test_ordered_colours_grow_lighter_and_stay_off_white() -> None:
    grey = [np.dot(to_rgb(s["color"]), [0.2126, 0.7152, 0.0722]) for s in _lines.styles(12, ordered=True)]
    assert all(np.diff(grey) > 0) and grey[-1] < 0.8


def test_many_lines_of_two_axes_are_split_and_a_depth_keeps_its_colour() -> None:
    few = _lines.lines(factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]}, seeds=1))
    assert few.split() == (few,)
    many = _lines.lines(factory.study({"depth": [1, 2, 4, 8], "residual": ["pre", "post"]}, seeds=1))
    pre, post = many.split()
    assert (pre.names, post.names) == (("residual=pre",), ("residual=post",))
    assert [p.values for p in post.points] == [(depth, "post") for depth in (1, 2, 4, 8)]
    for one, other in zip(pre.points, post.points, strict=True):
        assert pre.style(one) == post.style(other)


def test_a_stack_of_one_layer_is_seen_where_lines_have_no_markers() -> None:
    lines = _lines.lines(factory.study({"depth": list(range(1, 13))}, seeds=1))
    assert [bool(lines.style(point)["marker"]) for point in lines.points] == [True] + 11 * [False]


def test_layer_ticks_start_at_one_and_are_few() -> None:
    assert _lines.counts(8, first=0) == [0, 2, 4, 6, 8] and _lines.counts(1, first=0) == [0, 1]
    assert _lines.counts(4) == [1, 2, 3, 4] and _lines.counts(16) == [1, 4, 8, 12, 16] and len(_lines.counts(999)) <= 6


def test_more_levels_than_markers_differ_in_colour_only() -> None:
    assert {style["marker"] for style in _lines.styles(_style.LINES, ordered=True)} == {""}
    assert len({style["marker"] for style in _lines.styles(_style.LINES - 1, ordered=True)}) == _style.LINES - 1


def test_the_legend_names_each_depth_and_beside_it_each_scheme_in_grey() -> None:
    figure, _ = _figure.new(6.0, 2.0)
    _lines.lines(factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]}, seeds=1)).explain(figure)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        *("depth=1", "depth=2", "depth=4"),
        *("residual=pre", "residual=post"),
    ]
    assert [line.get_color() == _style.GREY for line in legend.get_lines()] == [False] * 3 + [True] * 2


def test_many_depths_get_a_colour_bar_and_one_point_needs_no_legend() -> None:
    figure, _ = _figure.new(6.0, 2.0)
    _lines.lines(factory.study({"depth": list(range(1, 13))}, seeds=1)).explain(figure)
    assert figure.legends == [] and figure.axes[-1].get_ylabel() == "depth (blocks)"
    assert list(figure.axes[-1].get_yticks()) == list(range(1, 13))
    figure, _ = _figure.new(6.0, 2.0)
    _lines.lines(factory.study(seeds=1)).explain(figure)
    assert figure.legends == [] and len(figure.axes) == 1


def test_small_print_says_what_is_left_out_and_what_broke() -> None:
    frames = factory.study({"pe": [f"e{i}" for i in range(10)]}, diverged=[("pe=e0", 2)])
    assert _lines.lines(frames).remarks == ("9 of 10 points shown", "pe=e0: diverged 1 of 3")
