"""Neutral words before the text, which move all of it to later positions; Jia and Liang 2017, arXiv:1707.07328."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.attack._neutral import neutral_words, put_beside, random_words
from stackcli.attack.base import Sample, Variants, Victim


class Prefix(Variants):
    """The worst of at most `tries` beginnings such as "please read this and give ...", k words each. The control puts
    random words of the vocabulary there. In a task, whose tokens are no words, both are random tokens."""

    unit = "words put before"
    changes = "tokens"
    keeps_length = False

    def __init__(self, *, tries: Annotated[int, Ge(1), Le(100_000)] = 8) -> None:
        self.tries = tries

    def variants(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> list[Sample]:
        lists = neutral_words(victim, budget, len(sample.tokens), self.tries, draw)
        return put_beside(victim, sample, lists, before=True)

    def control(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> Sample:
        count = len(neutral_words(victim, budget, len(sample.tokens), 1, draw)[0])
        found = put_beside(victim, sample, [random_words(victim, count, draw)], before=True)
        return found[0] if found else sample
