"""Any words of the vocabulary are put in, AddAny of Jia and Liang 2017, sec. 4.2, arXiv:1707.07328."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.attack.base import Edits, Victim


class Insertion(Edits):
    """Words are put before words of the text. Of the whole vocabulary, `choices` words drawn at random may stand before
    each word, and at each step `tries` of all of these are tried. A new word may change what is asked, so the true
    label may change."""

    unit = "words put in"
    changes = "tokens"
    keeps_length = False

    def __init__(
        self, *, tries: Annotated[int, Ge(1), Le(100_000)] = 64, choices: Annotated[int, Ge(1), Le(100_000)] = 8
    ) -> None:
        self.tries, self.choices = tries, choices

    @property
    def keeps_label(self) -> bool:
        return False

    def edits(self, victim: Victim, token: str, draw: np.random.Generator) -> list[tuple[str, ...]]:
        return [(victim.words[int(i)], token) for i in draw.integers(len(victim.words), size=self.choices)]
