"""Numbers with their words."""

import pytest

from stackcli.common.wording import count_noun


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
def test_one_is_singular_and_thousands_are_set_apart(number: int, words: tuple[str, ...], text: str) -> None:
    assert count_noun(number, *words) == text
