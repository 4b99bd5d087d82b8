"""Swapped letters: which words, which letters, and that each is a change of the original word."""

import numpy as np
import pytest

from stackcli.attack.swap import Swap
from tests.attack.examples import Bag, case, count_differences


def swaps(word: str) -> set[str]:
    """All words with two neighbouring inner letters swapped, that differ from the word."""
    found = set()
    for i in range(1, len(word) - 2):
        letters = list(word)
        letters[i], letters[i + 1] = letters[i + 1], letters[i]
        found.add("".join(letters))
    return found - {word}


def tried(word: str) -> list[str]:
    edits = Swap().edits(Bag({}), word, np.random.default_rng(0))
    assert all(len(edit) == 1 for edit in edits)
    return [edit[0] for edit in edits]


@pytest.mark.parametrize("word", ["atom", "please", "energy", "theorem", "naïve", "größe", "letter"])
def test_neighbouring_letters_inside_the_word_change_places(word: str) -> None:
    assert set(tried(word)) == swaps(word)
    for other in tried(word):
        assert sorted(other) == sorted(word) and (other[0], other[-1]) == (word[0], word[-1])
        (first, second) = (i for i in range(len(word)) if other[i] != word[i])
        assert second == first + 1


@pytest.mark.parametrize(
    "word", ["a", "of", "the", "2", "1234", "3.14", "вода", "νερό", "水水水水", "it's", "a-b-c", "noon"]
)
def test_short_words_numbers_and_words_of_other_scripts_stay(word: str) -> None:
    assert tried(word) == []


def test_an_apostrophe_or_hyphen_is_no_letter() -> None:
    assert tried("don't") == ["dno't"]
    assert set(tried("well-known")) == {"wlel-known", "well-nkown", "well-konwn", "well-knwon"}


def test_the_words_that_help_the_stack_most_are_changed_first_and_each_once() -> None:
    bag = Bag({"please": -3.0, "answer": -1.0, "energy": -2.0, "the": -9.0, "light": 1.0})
    start = case("please answer the energy light")
    for k, (found,) in enumerate(Swap().run(bag, [start], [1, 2, 3, 4]), start=1):
        tokens = found.sample.tokens
        assert count_differences(start.sample.tokens, tokens) == min(k, 3)
        assert bag.margin(tokens) == pytest.approx(-100 - 14 + [3, 5, 6, 6][k - 1], abs=1e-12)
        for before, after in zip(start.sample.tokens, tokens, strict=True):
            assert after == before or after in swaps(before)


def test_it_stops_at_the_first_wrong_answer() -> None:
    bag = Bag({"please": -3.0, "answer": -1.0}, bias=2.0)
    start = case("please answer")
    ((found,),) = Swap().run(bag, [start], [2])
    assert found.sample.tokens[1] == "answer" and found.sample.tokens[0] in swaps("please")


def test_the_control_changes_as_many_words_where_it_can() -> None:
    bag, start = Bag({}), case("please answer the energy light")
    for k, (sample,) in zip([1, 3, 5], Swap().draw(bag, [start], [1, 3, 5]), strict=True):
        assert count_differences(start.sample.tokens, sample.tokens) == min(k, 4)
        assert all(b == a or b in swaps(a) for a, b in zip(start.sample.tokens, sample.tokens, strict=True))
    assert bag.queries == 0
