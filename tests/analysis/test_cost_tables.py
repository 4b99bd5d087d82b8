"""The tables of `cost`: what each cell says, and that no line is longer than 80 columns."""

import io
import math
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from stackcli.analysis import cost_scaling, cost_tables
from tests.figures.test__cost import points

AXES = ("attention", "depth", "heads", "seq")


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the numbers that it lacks."""
    ms = {f"{name}_ms": frame["step_ms"] / 2 for name in ("inference", "forward", "backward", "update")}
    counted = {"score_bytes": 2.0**21 * frame["seq"], "flops": 1e6 * frame["seq"], "params": 116740.0}
    facts = {"needed": 2.0**34, "free": 2.0**33, "kernel": "fused", "method": "VmHWM", "repeats": 5.0, "why": None}
    return frame.assign(**ms, **counted, **facts)


def printed(table: Any, width: int = 80) -> list[str]:
    page = io.StringIO()
    Console(file=page, width=width).print(table)
    return [line.rstrip() for line in page.getvalue().splitlines()]


@pytest.mark.parametrize(
    "value,said",
    [(0.512, "0.51"), (9.994, "9.99"), (12.34, "12.3"), (123.4, "123"), (1234.5, "1,234"), (math.nan, ""), (None, "")],
)
def test_milliseconds_have_about_three_digits(value: float | None, said: str) -> None:
    assert cost_tables.format_ms(value) == said
    assert cost_tables.format_mib(None if value is None else value * 2**20) == said


def test_an_exponent_has_its_interval_where_there_is_one() -> None:
    row = {"time": 1.857, "time_low": 1.701, "time_high": 2.018}
    assert cost_tables.format_exponent(row, "time") == "1.86 [1.70, 2.02]"
    assert cost_tables.format_exponent({**row, "time_low": math.nan}, "time") == "1.86"
    assert cost_tables.format_exponent({**row, "time": math.nan}, "time") == ""


def test_a_point_without_times_says_why() -> None:
    frame = complete(points(lengths=(256, 512)))
    frame.loc[0, "status"], frame.loc[1, "status"] = "needs memory", "out of memory"
    lines = printed(cost_tables.render_points(frame, ("attention", "seq")))
    assert "needs 16.0 GiB" in lines[4] and "out of memory" in lines[5]
    assert lines[6].split()[:6] == ["window", "256", "0.26", "0.26", "0.51", "0.46–0.61"]


@pytest.mark.parametrize("depths,heads", [((2,), (4,)), ((2, 8), (4, 16))])
def test_no_line_is_longer_than_80_columns_and_what_is_hidden_is_named(depths: Any, heads: Any) -> None:
    frame = complete(points(depths=depths, heads=heads))
    exponents, crossing = cost_scaling.length_exponents(frame, AXES), cost_scaling.crossovers(frame, AXES)
    tables = [
        cost_tables.render_points(frame, AXES),
        cost_tables.render_exponents(exponents, crossing, AXES, "full"),
        cost_tables.render_predictions(cost_scaling.predictions(frame, AXES), AXES),
    ]
    tables += [cost_tables.render_sizes(cost_scaling.size_exponents(frame, AXES), AXES)] if len(depths) > 1 else []
    for table in tables:
        lines = printed(table)
        assert max(map(len, lines)) <= 80 and "…" not in "".join(lines), lines[1:5]
    assert len(depths) == 1 or "not shown at this width: back ms, params" in "\n".join(printed(tables[0]))


def test_exponents_stand_beside_the_length_from_which_a_kind_is_faster() -> None:
    frame = complete(points())  # full takes n^2, the others n, so they are faster at every length
    axes = ("attention", "seq")
    exponents = cost_scaling.length_exponents(frame, axes)
    lines = printed(cost_tables.render_exponents(exponents, cost_scaling.crossovers(frame, axes), axes, "full"))
    assert "faster than" in lines[1]
    assert lines[4].split() == ["full", "2.00", "[2.00,", "2.00]", "2.00", "1.00", "[1.00,", "1.00]", "1.00"]
    assert lines[5].split()[-1] == "always"
    assert cost_tables.format_crossing({"where": "from", "at": 735.6}) == "from 736"
    assert cost_tables.format_crossing({"where": "never", "at": math.nan}) == "never"


def test_a_prediction_stands_beside_what_was_measured() -> None:
    found = pd.DataFrame(
        [{"attention": "full", "length": 4096, "predicted_ms": 98.0, "measured_ms": 100.0, "error": -0.02}]
    ).assign(beyond_ms=390.0)
    lines = printed(cost_tables.render_predictions(found, ("attention", "seq")))
    assert lines[4].split() == ["full", "4,096", "98.0", "100", "-2.0", "%", "about", "390"]
