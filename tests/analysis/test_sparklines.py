"""Curves in one line of text."""

import math

from stackcli.analysis.sparklines import BARS, PLAIN, draw_sparkline, pick_bars


def test_the_lowest_value_has_the_lowest_bar_and_the_highest_the_highest() -> None:
    assert draw_sparkline([0.0, 1.0, 2.0, 7.0]) == "▁▂▃█"
    assert draw_sparkline([7.0, 0.0]) == "█▁"


def test_equal_ratios_are_equal_steps_on_a_logarithmic_scale() -> None:
    line = draw_sparkline([1.0, 8.0, 64.0, 512.0], log=True)
    heights = [BARS.index(bar) for bar in line]
    assert heights[0] == 0 and heights[-1] == 7 and heights == sorted(heights)
    assert abs((heights[2] - heights[1]) - (heights[1] - heights[0])) <= 1
    assert draw_sparkline([1.0, 8.0, 64.0, 512.0])[1] == BARS[0]  # which a linear scale does not show
    assert draw_sparkline([0.0, 1.0], log=True) == draw_sparkline([0.0, 1.0])


def test_what_is_missing_or_not_finite_is_a_space_and_a_constant_is_in_the_middle() -> None:
    assert draw_sparkline([3.0, None, 3.0]) == "▄ ▄"
    assert draw_sparkline([1.0, math.nan, 2.0, math.inf]) == "▁ █ "
    assert draw_sparkline([None, math.nan]) == "  " and draw_sparkline([]) == ""


def test_more_values_than_columns_keep_the_first_and_the_last() -> None:
    values = [float(i) for i in range(1000)]
    line = draw_sparkline(values, width=10)
    assert len(line) == 10 and (line[0], line[-1]) == ("▁", "█")
    assert list(line) == sorted(line, key=BARS.index)


def test_an_output_without_bars_gets_others() -> None:
    assert pick_bars("utf-8") == pick_bars(None) == BARS and pick_bars("ascii") == pick_bars("no such") == PLAIN
    assert draw_sparkline([0, 1], bars=PLAIN) == "_#" and len(PLAIN) == len(BARS)
