"""Words are replaced by synonyms of a table, or without one by any words; Alzantot et al. 2018, arXiv:1804.07998."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.attack._synonyms import read_synonyms
from stackcli.attack.base import Edits, Victim


class Substitution(Edits):
    """synonyms: a CSV or TSV file with the columns word and synonym. Every new word is a synonym of the word that stood
    in the original text, never of one that replaced it, so that no chain of synonyms leads away from the meaning. An
    antonym in the table is an error: a column antonym names further ones.

    Without a table `choices` words of the vocabulary, drawn at random, are tried in place of each word, and the true
    label may change. tries: of all of these, those that are tried at each step.
    """

    unit = "changed words"
    changes = "tokens"

    def __init__(
        self,
        *,
        synonyms: str = "",
        tries: Annotated[int, Ge(1), Le(100_000)] = 64,
        choices: Annotated[int, Ge(1), Le(100_000)] = 8,
    ) -> None:
        self.tries, self.choices = tries, choices
        self.table = read_synonyms(synonyms) if synonyms else None

    @property
    def keeps_label(self) -> bool:
        return self.table is not None

    def edits(self, victim: Victim, token: str, draw: np.random.Generator) -> list[tuple[str, ...]]:
        if self.table is not None:
            return [tuple(word.split()) for word in self.table.get(token, ())]
        words = [victim.words[int(i)] for i in draw.integers(len(victim.words), size=self.choices)]
        return [(word,) for word in dict.fromkeys(words) if word != token]
