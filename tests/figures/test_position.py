"""Position tables: the heat map holds the table."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stackcli.figures import position
from tests.figures import factory


@pytest.mark.parametrize("case", factory.CASES)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = position.draw(factory.CASES[case]())
    assert (figure is None) == (case in ("all diverged", "thirty categories"))
    if figure:
        factory.check(figure)


def test_the_table_is_drawn_position_by_dimension_with_the_cosines_beside_it() -> None:
    frames = factory.study(seeds=2)
    left, right = factory.draw("position", frames).axes[:2]
    (table,) = frames.position.loc[frames.position["seed"] == 0, "values"]
    assert np.array_equal(factory.cells(left), table)
    unit = table / np.sqrt((table**2).sum(1))[:, None]
    assert np.allclose(factory.cells(right), unit @ unit.T)
    assert left.get_ylabel() == "position (tokens)" and left.get_ylim() == (23.5, -0.5)


def test_the_colour_scales_are_symmetric() -> None:
    for axes in factory.draw("position", factory.study(seeds=1)).axes[:2]:
        artists: list[Any] = [*axes.collections, *axes.images]
        assert artists[0].norm.vmin == -artists[0].norm.vmax


def test_relative_encodings_are_drawn_by_offset_first_and_last_layer() -> None:
    frames = factory.study({"pe": ["sinusoidal", "relative"]}, depth=6, seeds=1)
    figure = factory.draw("position", frames)
    assert factory.titles(figure) == [
        f"pe=relative, {tensor}, seed 0" for tensor in ("keys 1", "keys 6", "values 1", "values 6")
    ]
    assert figure.axes[0].get_ylabel() == "offset (tokens)" and figure.axes[0].get_ylim() == (4.5, -4.5)


def test_four_points_at_most_are_drawn() -> None:
    figure = factory.draw("position", factory.study({"depth": [1, 2, 3, 4, 5, 6]}, seeds=1))
    assert len(factory.titles(figure)) == 4
    assert figure.texts[0].get_text() == "4 of 6 points shown"


def test_a_zero_row_has_no_cosine_and_gives_no_warning() -> None:
    frames = factory.study(seeds=1)
    frames.position["values"].iloc[0][3] = 0.0
    axes = factory.draw("position", frames).axes[1]
    assert np.ma.getmaskarray(factory.cells(axes))[3].all()


def test_without_a_trained_table_there_is_nothing_to_draw() -> None:
    assert position.draw(factory.study({"pe": ["sinusoidal", "none"]})) is None


def test_tables_of_very_different_sizes_are_drawn_in_units_of_their_own_largest_value() -> None:
    frames = factory.study({"depth": [1, 2]}, seeds=1)
    (large,) = frames.position.loc[frames.position["depth"] == 2, "values"]
    plain = large.copy()
    large *= 100
    figure = factory.draw("position", frames)
    titles = factory.titles(figure)
    assert titles[0].startswith("depth=1, seed 0: ±") and titles[1].startswith("depth=2, seed 0: ±")
    drawn = factory.cells(figure.axes[2])
    assert 1 <= np.abs(drawn).max() < 1.5 and np.allclose(drawn / np.abs(drawn).max(), plain / np.abs(plain).max())
    assert "the largest of its table" in " ".join(a.get_ylabel() for a in figure.axes).replace("\n", " ")


def test_a_table_as_drawn_comes_before_the_trained_one() -> None:
    frames = factory.study({"pe": ["learned", "none"]}, seeds=1)
    drawn = frames.position.assign(tensor="table as drawn", values=[v / 2 for v in frames.position["values"]])
    rows = pd.concat([drawn, frames.position], ignore_index=True)
    both = replace(frames, position_tables=lambda: rows)
    figure = factory.draw("position", both)
    factory.check(figure)
    titles = [title for title in factory.titles(figure) if "learned" in title]
    assert len(titles) == 2 and "as drawn" in titles[0] and "as drawn" not in titles[1]
