"""Which tokens are words whose letters can be changed."""

import pytest

from stackcli.attack._letters import is_word, replace_letter


@pytest.mark.parametrize("token", ["atom", "ATOM", "größe", "naïve", "don't", "don’t", "well-known", "straße"])
def test_words_of_four_latin_letters_are_changed(token: str) -> None:
    assert is_word(token)


@pytest.mark.parametrize(
    "token", ["", "the", "it's", "a-b-c", "----", "1234", "x123", "h2so4", "вода", "атом", "aтom", "5kg"]
)
def test_short_words_numbers_and_other_scripts_are_not(token: str) -> None:
    assert not is_word(token)


@pytest.mark.parametrize(("at", "new", "out"), [(0, "A", "Atom"), (3, "", "ato"), (1, "tt", "attom")])
def test_something_else_stands_in_place_of_one_letter(at: int, new: str, out: str) -> None:
    assert replace_letter("atom", at, new) == out
