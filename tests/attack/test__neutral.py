"""Neutral words: how many, of which phrases, and that they are read to the end."""

import numpy as np
import pytest

from stackcli.attack._neutral import PHRASES, neutral_words, random_words
from stackcli.attack.base import Sample
from stackcli.attack.prefix import Prefix
from stackcli.attack.suffix import Suffix
from tests.attack.examples import Bag, task


@pytest.mark.parametrize(("budget", "tokens", "words"), [(1, 5, 1), (5, 2, 5), (30, 2, 30), (0.2, 14, 2), (0.2, 4, 0)])
def test_each_list_is_the_beginning_of_a_phrase_and_as_long_as_asked(budget: float, tokens: int, words: int) -> None:
    lists = neutral_words(Bag({}), budget, tokens, 100, np.random.default_rng(0))
    assert len(lists) == len(PHRASES) and {len(found) for found in lists} == {words}
    for phrase, found in zip(PHRASES, lists, strict=True):
        own = phrase.split()
        assert found == [own[i % len(own)] for i in range(words)]


def test_no_phrase_names_a_subject_or_a_class() -> None:
    """Words of grammar and of asking for an answer alone."""
    words = {word for phrase in PHRASES for word in phrase.split()}
    plain = """a about all and an answer as at can do for give have here is it look more next now of one please read
    say some that the then think this time to try well what write you your"""
    assert words <= set(plain.split())
    assert len(set(PHRASES)) == len(PHRASES)


def test_of_a_task_the_words_are_random_tokens() -> None:
    victim = task("order")
    lists = neutral_words(victim, 6, 3, 4, np.random.default_rng(0))
    assert len(lists) == 4 and all(len(found) == 6 and set(found) <= set(victim.words) for found in lists)
    assert len({tuple(found) for found in lists}) == 4


def test_every_word_of_the_vocabulary_is_drawn_equally_often() -> None:
    bag = Bag(dict.fromkeys("abcd", 0.0))
    found = random_words(bag, 4000, np.random.default_rng(0))
    assert all(abs(found.count(word) - 1000) < 5 * (4000 * 3 / 16) ** 0.5 for word in "abcd")


def test_words_stand_before_or_after_where_there_is_room() -> None:
    bag, sample = Bag({}, room=2), Sample(("x", "y"), first=3)
    lists = [["a"], ["a", "b"], ["a", "b", "c"], []]
    before = Prefix().put(bag, sample, lists)
    assert before == [Sample(("a", "x", "y"), first=3), Sample(("a", "b", "x", "y"), first=3)]
    assert [s.tokens for s in Suffix().put(bag, sample, lists)] == [("x", "y", "a"), ("x", "y", "a", "b")]
