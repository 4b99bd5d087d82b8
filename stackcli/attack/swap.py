"""Two neighbouring letters of a word change places; Belinkov and Bisk 2018, sec. 4, arXiv:1711.02173."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.attack._letters import is_word
from stackcli.attack.base import Edits, Victim


class Swap(Edits):
    """Letters inside a word, neither the first nor the last, so that a person still reads it: Rawlinson 1976. Words of
    at least four letters, one change a word."""

    unit = "changed words"
    changes = "letters"
    needs_words = True

    def __init__(self, *, tries: Annotated[int, Ge(1), Le(100_000)] = 64) -> None:
        self.tries = tries

    def edits(self, victim: Victim, token: str, draw: np.random.Generator) -> list[tuple[str, ...]]:
        if not is_word(token):
            return []
        pairs = [i for i in range(1, len(token) - 2) if token[i : i + 2].isalpha() and token[i] != token[i + 1]]
        return [(token[:i] + token[i + 1] + token[i] + token[i + 2 :],) for i in pairs]
