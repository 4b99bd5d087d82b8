"""Numbers, settings and seeds as text."""

import pytest

from stackcli.common.wording import count_noun, format_duration, format_seeds, format_setting, quote_blanks


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("runs",), "0 runs"),
        (1, ("runs",), "1 run"),
        (2, ("runs",), "2 runs"),
        (12345, ("tokens",), "12,345 tokens"),
        (1, ("remedies", "remedy"), "1 remedy"),
        (4, ("words have", "word has"), "4 words have"),
    ],
)
def test_one_has_a_singular_noun_and_thousands_are_separated(number: int, words: tuple[str, ...], text: str) -> None:
    assert count_noun(number, *words) == text


@pytest.mark.parametrize(
    ("seeds", "listed", "text"),
    [
        ([2, 0, 1], 2, "0 to 2"),
        ([0, 1, 2], 5, "0, 1, 2"),
        ([0, 2, 5], 2, "0, 2, 5"),
        ([7], 2, "7"),
        ([3, 4], 2, "3, 4"),
    ],
)
def test_consecutive_seeds_are_written_as_a_range(seeds: list[int], listed: int, text: str) -> None:
    assert format_seeds(seeds, listed=listed) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (2.0, "2"), (1e-4, "0.0001"), (8, "8"), (float("nan"), "-"), (None, "-")],
)
def test_a_setting_is_written_as_it_is_typed(value: object, text: str) -> None:
    assert format_setting(value) == text


def test_a_name_of_white_space_is_quoted() -> None:
    assert [quote_blanks(name) for name in ("a b", " ", "\n", "")] == ["a b", "' '", "'\\n'", "''"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (86400, "24.0 h")],
)
def test_a_duration_is_given_in_its_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
