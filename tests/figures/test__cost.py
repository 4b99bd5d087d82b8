"""Time and memory against length: the lines are the points, and no label overlaps or is cut."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from stackcli.figures import _cost
from tests.figures import factory

LENGTHS = (256, 512, 1024, 2048, 4096)
POWERS = {"full": 2.0, "window": 1.0, "linear": 1.0}


def points(kinds: Any = tuple(POWERS), depths: Any = (2,), heads: Any = (4,), lengths: Any = LENGTHS) -> pd.DataFrame:
    """Times of depth times a power of the length; the kinds without a power of their own have 1.5."""
    rows = []
    for kind in kinds:
        for depth in depths:
            for head in heads:
                for n in lengths:
                    ms = depth * 1e-3 * n ** POWERS.get(kind, 1.5)
                    rows.append({"attention": kind, "depth": depth, "heads": head, "seq": n, "step_ms": ms})
    frame = pd.DataFrame(rows).assign(status="done")
    low, high = 0.9 * frame["step_ms"], 1.2 * frame["step_ms"]
    return frame.assign(step_ms_low=low, step_ms_high=high, memory=2.0**20 * frame["seq"])


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    "frame,axes,name",
    [
        (points(), ("attention", "seq"), "time"),
        (points(depths=(2, 8), heads=(4, 16)), ("attention", "depth", "heads", "seq"), "memory"),
        (points(kinds=[f"a kind with a long name {i}" for i in range(9)]), ("attention", "seq"), "time"),
        (points(kinds=["full"], depths=(1, 2, 4, 8)), ("depth", "seq"), "time"),
        (points(kinds=["full"], lengths=(100, 1000000)), ("seq",), "memory"),
        (points(depths=range(1, 10)), ("attention", "depth", "seq"), "memory"),
        (points(kinds=[*"abcdefghijklmn"]), ("attention", "seq"), "time"),
    ],
)
def test_its_text_neither_overlaps_nor_is_cut_and_every_axis_has_a_unit(
    frame: pd.DataFrame, axes: tuple[str, ...], name: str
) -> None:
    figure = _cost.draw_cost(frame, axes, name)
    assert figure is not None
    factory.check(figure)


def test_the_lines_are_the_points_with_their_quartiles_and_exponents() -> None:
    figure = _cost.draw_cost(points(), ("attention", "seq"), "time")
    assert figure is not None
    (axes,) = figure.axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    for line, (kind, power) in zip(factory.labelled(axes, "points"), POWERS.items(), strict=True):
        assert list(line.get_xdata()) == list(LENGTHS), kind
        assert np.allclose(line.get_ydata(), [2e-3 * n**power for n in LENGTHS])
    bars = factory.labelled(axes, "quartiles")[0].get_segments()
    assert np.allclose([bar[:, 1] for bar in bars], [[1.8e-3 * n**2, 2.4e-3 * n**2] for n in LENGTHS])
    assert texts(axes) == ["full n^2, last 2", "window n^1, last 1", "linear n^1, last 1"]


def test_memory_is_in_mib_and_other_axes_are_panels() -> None:
    figure = _cost.draw_cost(points(depths=(2, 8)), ("attention", "depth", "seq"), "memory")
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == ["depth=2", "depth=8"]
    line = factory.labelled(figure.axes[1], "points")[0]
    assert np.allclose(line.get_ydata(), LENGTHS)
    assert not factory.labelled(figure.axes[1], "quartiles")


def test_points_that_were_not_measured_are_left_out_and_counted() -> None:
    frame = points()
    frame.loc[4, ["status", "step_ms"]] = ["needs memory", np.nan]
    figure = _cost.draw_cost(frame, ("attention", "seq"), "time")
    assert figure is not None
    assert list(factory.labelled(figure.axes[0], "points")[0].get_xdata()) == list(LENGTHS[:4])
    assert "1 of 15 points not measured" in figure.get_supxlabel().replace("\n", " ")
    assert _cost.draw_cost(frame[frame["seq"] == 256], ("attention", "seq"), "time") is None
    assert _cost.draw_cost(frame.assign(status="stopped"), ("attention", "seq"), "time") is None
    assert _cost.draw_cost(frame.assign(memory=np.nan), ("attention", "seq"), "memory") is None
