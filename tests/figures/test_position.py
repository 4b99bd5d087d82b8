"""Position tables: what training changed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stackcli.analysis.study_data import Frames
from stackcli.figures import position
from tests.figures import factory


@pytest.mark.parametrize("case", factory.PARAMETERS)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(case: str) -> None:
    figure = position.draw(factory.CASES[case]())
    assert (figure is None) == (case in ("all diverged", "thirty categories"))
    if figure:
        factory.check(figure)


def trained(frames: Frames, *, moved: float = 0.5, reach: Any = None) -> Frames:
    """The study with tables before training that differ by `moved` in every number."""
    rows = frames.position
    before = rows.assign(tensor=rows["tensor"] + " at initialisation", values=[v - moved for v in rows["values"]])
    before["reach"] = [np.linspace(1, 0, len(at)) if reach is None else reach for at in rows["at"]]
    both = pd.concat([before, rows], ignore_index=True)
    return replace(frames, position_tables=lambda: both)


def test_a_trained_table_shows_how_far_each_position_moved_the_change_and_cosines_before_and_after() -> None:
    frames = factory.study(seeds=2)
    (end,) = frames.position.loc[frames.position["seed"] == 0, "values"]
    change = np.linspace(0, 1, 24)[:, None] * np.eye(16)[3]  # along one direction, more for later positions
    start = end - change
    before = frames.position.assign(tensor="table at initialisation", values=[start, frames.position["values"][1]])
    both = pd.concat([before, frames.position], ignore_index=True)
    figure = factory.draw("position", replace(frames, position_tables=lambda: both))
    factory.check(figure)
    sizes, difference, first, last = figure.axes[:4]
    (moved,), (size,) = factory.labelled(sizes, "moved"), factory.labelled(sizes, "size")
    assert np.allclose(moved.get_ydata(), np.linspace(0, 1, 24))
    assert np.allclose(size.get_ydata(), np.linalg.norm(start, axis=1))
    cells = np.asarray(factory.cells(difference))
    assert np.allclose(np.abs(cells[:, 0]), np.linspace(0, 1, 24)) and np.allclose(cells[:, 1:], 0)
    for axes, table in ((first, start), (last, end)):
        unit = table / np.linalg.norm(table, axis=1, keepdims=True)
        assert np.allclose(factory.cells(axes), unit @ unit.T)
    assert last.get_xlabel() == "position (tokens)" and first.get_ylim() == (23.5, -0.5)


def test_a_sentence_compares_rare_positions_with_the_others() -> None:
    frames = factory.study(seeds=1)
    frames.position["values"].iloc[0][:] = np.eye(24, 16) + 1.0
    reach = np.where(np.arange(24) < 20, 1.0, 0.04)
    figure = factory.draw("position", trained(frames, moved=0.5, reach=reach))
    start = np.eye(24, 16) + 0.5
    share = 0.5 * 4 / np.linalg.norm(start, axis=1)  # 16 numbers of 0.5
    words = figure.get_supxlabel().replace("\n", " ")
    assert "positions from 20 on, which fewer than 5 % of the training texts reach" in words
    assert (
        f"moved by {100 * share[20:].mean():.0f} % of their size, the others by {100 * share[:20].mean():.0f} %"
        in words
    )
    (grey,) = factory.labelled(figure.axes[0], "reach")
    top = figure.axes[0].get_ylim()[1]
    assert max(y for x, y in grey.get_paths()[0].vertices if x == 23) == pytest.approx(0.04 * top)


def test_a_table_that_is_not_trained_shows_its_values() -> None:
    frames = factory.study(seeds=2)
    sizes, values, cosines = factory.draw("position", frames).axes[:3]
    (table,) = frames.position.loc[frames.position["seed"] == 0, "values"]
    assert np.array_equal(factory.cells(values), table)
    unit = table / np.sqrt((table**2).sum(1))[:, None]
    assert np.allclose(factory.cells(cosines), unit @ unit.T)
    assert not factory.labelled(sizes, "moved") and values.get_ylabel() == "position (tokens)"


def test_plus_and_minus_differ_in_lightness() -> None:
    for axes in factory.draw("position", trained(factory.study(seeds=1))).axes[1:4]:
        (drawn,) = factory.heat_maps(axes)
        norm, colours = drawn.norm, drawn.get_cmap()
        assert norm.vmin == -norm.vmax
        light = [np.dot(colours(x)[:3], [0.2126, 0.7152, 0.0722]) for x in np.linspace(0, 1, 9)]
        assert all(np.diff(light) > 0.02)


def test_relative_encodings_are_drawn_by_offset_first_and_last_layer() -> None:
    frames = factory.study({"pe": ["sinusoidal", "relative"]}, depth=6, seeds=1)
    figure = factory.draw("position", frames)
    titles = [
        axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes if "pe=" in axes.get_title(loc="left")
    ]
    assert titles == [f"pe=relative, {tensor}, seed 0" for tensor in ("keys 1", "keys 6", "values 1", "values 6")]
    assert figure.axes[1].get_ylabel() == "offset (tokens)" and figure.axes[1].get_ylim() == (4.5, -4.5)


def test_four_tables_at_most_are_drawn() -> None:
    figure = factory.draw("position", factory.study({"depth": [1, 2, 3, 4, 5, 6]}, seeds=1))
    assert sum("depth=" in axes.get_title(loc="left") for axes in figure.axes) == 4
    assert figure.get_supxlabel() == "4 of 6 tables shown"


def test_a_zero_row_has_no_cosine_and_gives_no_warning() -> None:
    frames = factory.study(seeds=1)
    frames.position["values"].iloc[0][3] = 0.0
    axes = factory.draw("position", frames).axes[2]
    assert np.ma.getmaskarray(factory.cells(axes))[3].all()


def test_without_a_table_there_is_nothing_to_draw() -> None:
    assert position.draw(factory.study({"pe": ["sinusoidal", "none"]})) is None
