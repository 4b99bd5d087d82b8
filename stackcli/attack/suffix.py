"""Neutral words after the text, which leave its positions as they are; Jia and Liang 2017, arXiv:1707.07328."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.attack._neutral import neutral_words, put_beside, random_words
from stackcli.attack.base import Sample, Variants, Victim


class Suffix(Variants):
    """The worst of at most `tries` ends such as "please read this and give ...", k words each. The control puts
    random words of the vocabulary there. In a task, whose tokens are no words, both are random tokens."""

    unit = "words put after"
    changes = "tokens"
    keeps_length = False

    def __init__(self, *, tries: Annotated[int, Ge(1), Le(100_000)] = 8) -> None:
        self.tries = tries

    def variants(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> list[Sample]:
        lists = neutral_words(victim, budget, len(sample.tokens), self.tries, draw)
        return put_beside(victim, sample, lists, before=False)

    def control(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> Sample:
        count = len(neutral_words(victim, budget, len(sample.tokens), 1, draw)[0])
        found = put_beside(victim, sample, [random_words(victim, count, draw)], before=False)
        return found[0] if found else sample
