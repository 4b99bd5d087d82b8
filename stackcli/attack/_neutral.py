"""What the attacks with a prefix and a suffix share: words that say nothing about the class of a text."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stackcli.attack.base import Sample, Victim, count_added

PHRASES = (
    "please read this and give an answer now",
    "here is one more that you have to do",
    "this is the next one for you to answer",
    "think about it and then write your answer here",
    "now try to answer this one as well as you can",
    "you have some time to think about this one",
    "look at this and say what you think it is",
    "this one is for all of you to do here",
)


def neutral_words(victim: Victim, budget: float, tokens: int, tries: int, draw: np.random.Generator) -> list[list[str]]:
    """Returns lists of so many words to put beside an input of `tokens` tokens. Of a text the beginning of a phrase,
    repeated where more are asked for; of a task, whose tokens are no words, random tokens."""
    count = count_added(budget, tokens)
    if victim.knows_words:
        phrases = [phrase.split() for phrase in PHRASES[:tries]]
        return [(phrase * (count // len(phrase) + 1))[:count] for phrase in phrases]
    return [random_words(victim, count, draw) for _ in range(tries)]


def random_words(victim: Victim, count: int, draw: np.random.Generator) -> list[str]:
    """Returns random words of the vocabulary."""
    return [victim.words[int(i)] for i in draw.integers(len(victim.words), size=count)]


def put_beside(victim: Victim, sample: Sample, lists: Sequence[Sequence[str]], *, before: bool) -> list[Sample]:
    """Returns the input with each list of words before or after it; none that the stack cannot read to the end."""
    fitting = [tuple(words) for words in lists if 0 < len(words) <= victim.room(sample)]
    return [replace(sample, tokens=words + sample.tokens if before else sample.tokens + words) for words in fitting]
