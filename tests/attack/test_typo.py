"""Mistakes of typing: one edit a word, counted by an edit distance written for the tests."""

import numpy as np
import pytest

from stackcli.attack.typo import Typo, keyboard_neighbours
from tests.attack.examples import Bag, case, count_differences

# The keys beside each key of a QWERTY keyboard whose rows are shifted to the right from top to bottom.
KEYS = {
    "q": "wa",
    "g": "fhtyvb",
    "a": "qwsz",
    "p": "ol",
    "m": "njk",
    "l": "kop",
    "z": "asx",
    "t": "ryfg",
    "s": "adwezx",
}


def distance(a: str, b: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours, each letter edited once: optimal alignment."""
    table = [[max(i, j) if min(i, j) == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


def tried(word: str) -> list[str]:
    edits = Typo().edits(Bag({}), word, np.random.default_rng(0))
    assert all(len(edit) == 1 for edit in edits)
    return [edit[0] for edit in edits]


@pytest.mark.parametrize(("a", "b", "edits"), [("abcd", "abdc", 1), ("abcd", "bd", 2), ("ca", "abc", 3), ("", "ab", 2)])
def test_the_distance_of_these_tests_is_right(a: str, b: str, edits: int) -> None:
    assert distance(a, b) == distance(b, a) == edits


@pytest.mark.parametrize("word", ["atom", "please", "energy", "letter", "naïve"])
def test_every_mistake_is_one_edit_and_leaves_the_first_letter(word: str) -> None:
    found = tried(word)
    assert len(found) == len(set(found)) > len(word)
    assert all(distance(word, other) == 1 and other[0] == word[0] for other in found)
    assert {len(other) - len(word) for other in found} == {-1, 0, 1}


def test_a_letter_is_missing_doubled_or_replaced_by_a_neighbour() -> None:
    found = set(tried("atom"))
    assert {"aom", "atm", "ato"} | {"attom", "atoom", "atomm"} <= found
    rest = found - {"aom", "atm", "ato", "attom", "atoom", "atomm"}
    assert rest == {"arom", "ayom", "afom", "agom", "atim", "atpm", "atkm", "atlm", "aton", "atoj", "atok"}


@pytest.mark.parametrize("letter", KEYS)
def test_the_neighbours_of_a_letter_are_beside_it_on_the_keyboard(letter: str) -> None:
    assert sorted(keyboard_neighbours(letter)) == sorted(KEYS[letter])


def test_to_be_a_neighbour_is_mutual_and_other_letters_have_none() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    assert all(a in keyboard_neighbours(b) for a in letters for b in keyboard_neighbours(a))
    assert all(keyboard_neighbours(letter) for letter in letters)
    assert all(keyboard_neighbours(other) == "" for other in "é2'-я")


@pytest.mark.parametrize("word", ["a", "of", "the", "2", "1234", "3.14", "вода", "νερό", "水水水水", "it's", "a-b-c"])
def test_short_words_numbers_and_words_of_other_scripts_stay(word: str) -> None:
    assert tried(word) == []


def test_apostrophes_and_hyphens_stay_as_they_are() -> None:
    assert all(other.count("-") == 1 and "'" not in other for other in tried("well-known"))
    assert all(other.count("'") == 1 for other in tried("don't"))


def test_every_word_changed_is_one_edit_from_the_original_word() -> None:
    bag = Bag({"please": -3.0, "answer": -1.0, "energy": -2.0, "the": -9.0, "light": 1.0})
    start = case("please answer the energy light")
    for k, (found,) in enumerate(Typo(tries=1000).run(bag, [start], [1, 2, 3, 4]), start=1):
        tokens = found.sample.tokens
        assert count_differences(start.sample.tokens, tokens) == min(k, 3)
        assert bag.margin(tokens) == pytest.approx(-114 + [3, 5, 6, 6][k - 1], abs=1e-12)
        assert all(distance(a, b) <= 1 for a, b in zip(start.sample.tokens, tokens, strict=True))


def test_the_control_changes_as_many_words_where_it_can() -> None:
    bag, start = Bag({}), case("please answer the energy light")
    for k, (sample,) in zip([1, 3, 5], Typo().draw(bag, [start], [1, 3, 5]), strict=True):
        edits = [distance(a, b) for a, b in zip(start.sample.tokens, sample.tokens, strict=True)]
        assert max(edits) == 1 and sum(edits) == min(k, 4) and edits[2] == 0
    assert bag.queries == 0
