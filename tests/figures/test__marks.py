"""Texts at the right edge: at the height of their values, apart from one another."""

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from stackcli.figures import _figure, _marks
from tests.figures import factory


@pytest.mark.parametrize(
    ("wanted", "height", "expected"),
    [
        ([10.0, 50.0, 90.0], 10.0, [10.0, 50.0, 90.0]),
        ([50.0, 50.0], 20.0, [40.0, 60.0]),
        ([100.0, 100.0, 100.0], 25.0, [37.5, 62.5, 87.5]),  # the highest ends at the top
        ([0.0, 0.0], 30.0, [15.0, 45.0]),  # the lowest begins at the bottom
        ([0.0, 0.0, 0.0], 50.0, [25.0, 75.0, 125.0]),  # more than fit go beyond the top
    ],
)
def test_texts_keep_their_order_and_distance_and_move_little(
    wanted: list[float], height: float, expected: list[float]
) -> None:
    assert _marks._place(wanted, [height] * len(wanted), 0.0, 100.0) == pytest.approx(expected)


def test_texts_of_different_heights_touch_but_do_not_overlap() -> None:
    assert _marks._place([50.0, 50.0], [10.0, 30.0], 0.0, 100.0) == pytest.approx([40.0, 60.0])


def test_a_value_outside_the_panel_is_written_at_its_edge_with_an_arrow() -> None:
    _, ((axes,),) = _figure.new(4.0, 2.0)
    axes.set_ylim(0.4, 0.6)
    for value, text in ((0.5, "inside"), (0.9, "above"), (0.1, "below")):
        _marks.mark_right(axes, value, text, "black")
    texts = {text.get_text(): text.xy[1] for text in axes.texts}
    assert texts == {"inside": 0.5, "\N{UPWARDS ARROW} above": 0.6, "\N{DOWNWARDS ARROW} below": 0.4}


def test_texts_at_one_height_do_not_overlap_in_the_figure() -> None:
    @_figure.draw_in_style
    def draw() -> Figure:
        figure, ((axes,),) = _figure.new(4.0, 2.0)
        axes.set(xlabel="depth (blocks)", ylabel="loss (nats)", ylim=(0, 1))
        for name in ("one", "two", "a name that is longer and takes two lines of the figure", *"abcdefgh"):
            _marks.mark_right(axes, 0.5, name, "black")
        return figure

    drawn = draw()
    assert drawn is not None
    factory.check(drawn)
    drawn.draw_without_rendering()
    marks = [mark for mark in drawn.axes[0].texts if isinstance(mark, Annotation)]
    boxes = [Text.get_window_extent(mark).padded(-1) for mark in marks]  # without the line to it
    for mark in marks:
        assert mark.arrow_patch is not None
        line = mark.arrow_patch.get_path().transformed(mark.arrow_patch.get_transform())
        assert not any(line.intersects_bbox(box, filled=False) for box in boxes), mark.get_text()
