"""Sides take turns, ratios are those of one round, and the table fits a terminal."""

from collections.abc import Callable

import pytest
from rich.console import Console

from stackcli.experiment import speed_measurement as speed
from stackcli.experiment.speed_measurement import Row, Section


class Clock:
    """A clock that only the sides move."""

    def __init__(self) -> None:
        self.now, self.calls = 100.0, ""

    def __call__(self) -> float:
        return self.now

    def side(self, name: str, seconds: list[float]) -> Callable[[], None]:
        """A side that takes these seconds, one after the other."""
        each = iter(seconds)

        def run() -> None:
            self.calls += name
            self.now += next(each)

        return run


def test_after_a_warm_up_every_round_begins_with_another_side() -> None:
    clock = Clock()
    sides = {"a": clock.side("a", [50, 1, 2, 4]), "b": clock.side("b", [7, 3, 5, 20])}
    found = speed.measure_turns(sides, rounds=3, clock=clock)
    assert clock.calls == "ab" + "ab" + "ba" + "ab"
    assert found == {"a": [1, 2, 4], "b": [3, 5, 20]}


def test_of_three_sides_each_is_first_once_in_three_rounds() -> None:
    clock = Clock()
    speed.measure_turns({n: clock.side(n, [1] * 3) for n in "abc"}, rounds=3, warm=False, clock=clock)
    assert clock.calls == "abc" + "bca" + "cab"


def test_rounds_are_chosen_by_the_time_of_the_warm_up() -> None:
    clock = Clock()
    sides = {"a": clock.side("a", [1.5] * 99), "b": clock.side("b", [0.5] * 99)}
    found = speed.measure_turns(sides, seconds=11, clock=clock)
    assert len(found["a"]) == len(found["b"]) == 5  # of 2 seconds each
    assert speed.count_rounds(1000, 11) == speed.FEWEST and speed.count_rounds(0, 11) == speed.MOST


def test_a_row_has_the_ratio_of_every_round_and_the_median_time_of_a_step() -> None:
    row = speed.compare_times("x", [2, 4, 8], over=[6, 8, 40], under=[2, 4, 8], calls=4)
    assert row == Row("x", seconds=1.0, ratios=(3.0, 2.0, 5.0))


def test_quartiles_are_those_of_linear_interpolation() -> None:
    assert speed.quartiles([5, 1, 2, 4, 3]) == (2, 3, 4)
    assert speed.quartiles([1, 2]) == (1.25, 1.5, 1.75)
    assert speed.quartiles([7]) == (7, 7, 7)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00123, "1.23 ms"), (0.0456, "45.6 ms"), (0.789, "789 ms"), (1.5, "1.50 s"), (204, "204 s")],
)
def test_times_have_three_digits(seconds: float, text: str) -> None:
    assert speed.format_seconds(seconds) == text


def test_a_table_fits_80_columns_and_shows_notes_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    rows = (Row("nn.TransformerEncoder / our window", 0.2, (1.0, 2.0, 4.0)), Row("absent", note="get '.[bench]' " * 9))
    table = speed.build_table(Section("Training step", "peer / ours", "a sentence " * 12, rows))
    Console(width=speed.WIDTH, markup=False).print(table)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    line = next(line for line in text.splitlines() if "our window" in line)
    assert line.split() == [
        "nn.TransformerEncoder",
        "/",
        "our",
        "window",
        "200",
        "ms",
        "2.00",
        *["1.50", "to", "3.00", "3"],
    ]
    assert "absent: get '.[bench]'" in text and text.startswith("Training step")
