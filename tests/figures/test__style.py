"""Sizes, colours, markers and units."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
from matplotlib.colors import to_rgb

from stackcli.config.settings import Config
from stackcli.figures import _style


def test_every_text_is_at_least_as_large_as_the_smallest_size() -> None:
    sizes = [value for name, value in _style.STYLE.items() if name.endswith("size") and name.split(".")[1] not in MARKS]
    assert len(sizes) == 6 and min(sizes) == _style.SIZE


MARKS = ("major", "minor", "markersize")  # of ticks and lines, not of text


def test_every_panel_of_lines_has_a_marker_for_each() -> None:
    assert len(set(_style.MARKERS)) == len(_style.MARKERS) == _style.LINES


def test_the_colours_of_few_lines_lie_further_apart_in_grey_than_those_of_many() -> None:
    grey = [float(np.dot(to_rgb(colour), [0.2126, 0.7152, 0.0722])) for colour in _style.PALETTE]
    assert grey == sorted(grey)
    for count, picks in enumerate(_style.PICKS, start=1):
        assert len(set(picks)) == count
    apart = [np.diff([grey[i] for i in picks]).min() for picks in _style.PICKS[1:]]
    assert all(few >= many for few, many in pairwise(apart))


def test_every_unit_is_that_of_a_setting() -> None:
    names = {field.name for field in fields(Config)}
    assert {name for name in _style.UNITS if name.partition(".")[0] not in names} == set()
