"""What the attacks with a prefix and a suffix share: words that say nothing about the class of a text."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le

from stackcli.attack.base import Sample, Variants, Victim, count_added

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


class Beside(Variants):
    """An attack that puts neutral words before or after an input; one that the stack cannot read to the end is not
    tried."""

    changes = "tokens"
    keeps_length = False
    before: ClassVar[bool]

    def __init__(self, *, tries: Annotated[int, Ge(1), Le(100_000)] = 8) -> None:
        self.tries = tries

    def variants(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> list[Sample]:
        lists = neutral_words(victim, budget, len(sample.tokens), self.tries, draw)
        return self.put(victim, sample, lists)

    def control(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> Sample:
        count = len(neutral_words(victim, budget, len(sample.tokens), 1, draw)[0])
        found = self.put(victim, sample, [random_words(victim, count, draw)])
        return found[0] if found else sample

    def put(self, victim: Victim, sample: Sample, lists: Sequence[Sequence[str]]) -> list[Sample]:
        """Returns the input with each list of words beside it; none that the stack cannot read to the end."""
        fitting = [tuple(words) for words in lists if 0 < len(words) <= victim.room(sample)]
        return [replace(sample, tokens=w + sample.tokens if self.before else sample.tokens + w) for w in fitting]
