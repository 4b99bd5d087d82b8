"""Letters of other scripts: their names in Unicode, and that they look like those that they replace."""

import string
import unicodedata

import numpy as np
import pytest

from stackcli.attack.homoglyph import ALIKE, Homoglyph
from tests.attack.examples import Bag, case, count_differences

# Unicode Technical Standard 39, confusables.txt: letters whose prototype is the Latin small letter.
CONFUSABLE = {
    "CYRILLIC SMALL LETTER A": "a",
    "CYRILLIC SMALL LETTER ES": "c",
    "CYRILLIC SMALL LETTER KOMI DE": "d",
    "CYRILLIC SMALL LETTER IE": "e",
    "CYRILLIC SMALL LETTER SHHA": "h",
    "CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I": "i",
    "CYRILLIC SMALL LETTER JE": "j",
    "CYRILLIC SMALL LETTER PALOCHKA": "l",
    "ARMENIAN SMALL LETTER VO": "n",
    "CYRILLIC SMALL LETTER O": "o",
    "GREEK SMALL LETTER OMICRON": "o",
    "CYRILLIC SMALL LETTER ER": "p",
    "CYRILLIC SMALL LETTER QA": "q",
    "CYRILLIC SMALL LETTER DZE": "s",
    "ARMENIAN SMALL LETTER SEH": "u",
    "CYRILLIC SMALL LETTER IZHITSA": "v",
    "GREEK SMALL LETTER NU": "v",
    "CYRILLIC SMALL LETTER WE": "w",
    "CYRILLIC SMALL LETTER HA": "x",
    "CYRILLIC SMALL LETTER U": "y",
}


def tried(word: str) -> list[str]:
    edits = Homoglyph().edits(Bag({}), word, np.random.default_rng(0))
    assert all(len(edit) == 1 for edit in edits)
    return [edit[0] for edit in edits]


def test_every_letter_of_the_table_is_of_another_script_and_of_the_same_shape() -> None:
    assert set(ALIKE) <= set(string.ascii_lowercase)
    for letter, others in ALIKE.items():
        for other in others:
            assert "LATIN" not in unicodedata.name(other)
            assert CONFUSABLE[unicodedata.name(other)] == letter


def test_no_letter_turns_into_a_latin_one_when_it_is_read() -> None:
    for other in "".join(ALIKE.values()):
        for form in ("NFC", "NFKC"):
            assert unicodedata.normalize(form, other.casefold()) == other


@pytest.mark.parametrize("word", ["atom", "please", "energy", "theorem", "don't", "well-known"])
def test_one_letter_changes_its_script(word: str) -> None:
    found = tried(word)
    assert found and len(found) == len(set(found))
    for other in found:
        ((was, now),) = [(a, b) for a, b in zip(word, other, strict=True) if a != b]
        assert unicodedata.name(was).startswith("LATIN") and not unicodedata.name(now).startswith("LATIN")
        assert CONFUSABLE[unicodedata.name(now)] == was


@pytest.mark.parametrize("word", ["a", "of", "the", "2", "1234", "3.14", "вода", "νερό", "水水水水", "it's", "a-b-c"])
def test_short_words_numbers_and_words_of_other_scripts_stay(word: str) -> None:
    assert tried(word) == []


def test_every_word_changed_differs_from_the_original_in_one_letter() -> None:
    bag = Bag({"please": -3.0, "answer": -1.0, "energy": -2.0, "the": -9.0, "light": 1.0})
    start = case("please answer the energy light")
    for k, (found,) in enumerate(Homoglyph().run(bag, [start], [1, 2, 3, 4]), start=1):
        tokens = found.sample.tokens
        assert bag.margin(tokens) == pytest.approx(-114 + [3, 5, 6, 6][k - 1], abs=1e-12)
        letters = [count_differences(a, b) for a, b in zip(start.sample.tokens, tokens, strict=True)]
        assert max(letters) == 1 and sum(letters) == min(k, 3)


def test_the_control_changes_as_many_words_where_it_can() -> None:
    bag, start = Bag({}), case("please answer the energy light")
    for k, (sample,) in zip([1, 3, 5], Homoglyph().draw(bag, [start], [1, 3, 5]), strict=True):
        letters = [count_differences(a, b) for a, b in zip(start.sample.tokens, sample.tokens, strict=True)]
        assert max(letters) == 1 and sum(letters) == min(k, 4)
    assert bag.queries == 0
