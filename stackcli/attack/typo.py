"""Mistakes of typing: a letter missing, doubled, or replaced by its neighbour on the keyboard; Pruthi et al. 2019."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.attack._letters import is_word, replace_letter
from stackcli.attack.base import Edits, Victim

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # of a QWERTY keyboard


def keyboard_neighbours(letter: str) -> str:
    """Returns the letters beside one on its row and those above and below it.

    >>> keyboard_neighbours("g")
    'fhtvb'
    """
    for y, row in enumerate(ROWS):
        if letter in row:
            x = row.index(letter)
            near = [(y, x - 1), (y, x + 1), (y - 1, x), (y - 1, x + 1), (y + 1, x - 1), (y + 1, x)]
            rows = [(ROWS[v], u) for v, u in near if 0 <= v < len(ROWS)]
            return "".join(row[u] for row, u in rows if 0 <= u < len(row))
    return ""


class Typo(Edits):
    """Words of at least four letters, one mistake a word; the first letter stays. arXiv:1905.11268, sec. 3."""

    unit = "changed words"
    changes = "letters"
    needs_words = True

    def __init__(self, *, tries: Annotated[int, Ge(1), Le(100_000)] = 64) -> None:
        self.tries = tries

    def edits(self, victim: Victim, token: str, draw: np.random.Generator) -> list[tuple[str, ...]]:
        if not is_word(token):
            return []
        found = []
        for i in (i for i in range(1, len(token)) if token[i].isalpha()):
            found += [replace_letter(token, i, ""), replace_letter(token, i, token[i] * 2)]
            found += [replace_letter(token, i, near) for near in keyboard_neighbours(token[i])]
        return [(word,) for word in dict.fromkeys(found) if word != token]
