"""How the points of a study differ as lines."""

import itertools
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from stackcli.figures import _figure, _levels, _lines, _style
from tests.figures import factory


@pytest.mark.parametrize("count", range(1, 10))
def test_lines_differ_in_colour_or_marker_and_the_first_six_in_grey(count: int) -> None:
    looks = [(to_rgb(s["color"]), s["marker"]) for s in _lines.styles(count)]
    assert len(set(looks)) == count
    grey = sorted(np.dot(to_rgb(s["color"]), [0.2126, 0.7152, 0.0722]) for s in _lines.styles(min(count, 6)))
    assert all(np.diff(grey) > 0.02)


# Machado, Oliveira and Fernandes 2009: what full colour blindness of three kinds makes of linear RGB
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(color: Any) -> Any:
    """A colour of sRGB as linear RGB."""
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: Any) -> Any:
    """Linear RGB as CIELAB (D65): lightness 0 to 100, and two axes of hue."""
    share = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    root = np.where(share > (6 / 29) ** 3, np.cbrt(share), share * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def test_the_conversion_to_lab_gives_the_published_values() -> None:
    assert np.allclose(lab(linear("white")), [100, 0, 0], atol=0.05)
    assert np.allclose(lab(linear("red")), [53.24, 80.09, 67.20], atol=0.1)


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("count", range(2, 7))
def test_neighbouring_lines_differ_in_lightness(count: int, ordered: bool) -> None:
    light = sorted(lab(linear(style["color"]))[0] for style in _lines.styles(count, ordered=ordered))
    assert min(np.diff(light)) > 6  # a difference of 1 is just seen where colours touch
    assert light[-1] < 85  # off white


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("count", range(2, 8))
def test_lines_differ_for_the_colour_blind(count: int, kind: str) -> None:
    seen = [lab(np.array(BLINDNESS[kind]) @ linear(style["color"])) for style in _lines.styles(count)]
    gaps = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(gaps) > 10


def test_a_value_keeps_its_look_where_fewer_are_drawn_and_each_data_set_is_a_panel() -> None:
    frames = factory.study({"data": ["subjects", "digits"], "pe": ["none", "rope", "t5"]}, seeds=1)
    lines = _lines.lines(frames)
    parts = lines.split()
    assert [part.title for part in parts] == ["data=subjects", "data=digits"]
    assert [lines.style(p) for p in parts[0].points] == [lines.style(p) for p in parts[1].points] == _lines.styles(3)
    groups, _ = _levels.groups(frames, frames.runs[frames.runs["data"] == "digits"], "depth")
    assert [style for _, _, style, _ in groups] == _lines.styles(3)


def test_more_than_six_lines_are_named_at_their_ends_instead_of_in_a_legend() -> None:
    frames = factory.study({"pe": [f"e{i}" for i in range(8)]}, seeds=1)
    figure, ((axes,),) = _figure.new(6.0, 2.0)
    lines = _lines.lines(frames)
    for i, point in enumerate(lines.points):
        axes.plot([0, 1], [0, i], **lines.style(point))
    lines.explain(figure, axes=[axes])
    assert not figure.legends
    assert {text.get_text(): text.xy[1] for text in axes.texts} == {f"pe=e{i}": i for i in range(8)}


def test_ordered_colours_grow_lighter_and_stay_off_white() -> None:
    grey = [np.dot(to_rgb(s["color"]), [0.2126, 0.7152, 0.0722]) for s in _lines.styles(12, ordered=True)]
    assert all(np.diff(grey) > 0) and grey[-1] < 0.8


def test_many_lines_of_two_axes_are_split_and_a_depth_keeps_its_colour() -> None:
    few = _lines.lines(factory.study({"depth": [1, 2, 4], "residual": ["pre", "post"]}, seeds=1))
    assert few.split() == (few,)
    many = _lines.lines(factory.study({"depth": [1, 2, 4, 8], "residual": ["pre", "post"]}, seeds=1))
    pre, post = many.split()
    assert (pre.title, post.title) == ("residual=pre", "residual=post")
    assert [p.values for p in post.points] == [(depth, "post") for depth in (1, 2, 4, 8)]
    for one, other in zip(pre.points, post.points, strict=True):
        assert pre.style(one)["color"] == post.style(other)["color"]


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


def test_a_legend_of_more_choices_than_there_are_dashes_is_drawn() -> None:
    names = [f"lr={i}e-4" for i in range(1, len(_style.DASHES) + 2)]
    frames = factory.study({"depth": [1, 2], "lr": [float(name[3:]) for name in names]})
    assert factory.draw("pareto", frames).legends
