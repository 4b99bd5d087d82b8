"""What the attacks on letters share: words whose letters can be changed so that a person still reads them."""

from typing import Annotated

import numpy as np
import regex
from annotated_types import Ge, Le

from stackcli.attack.base import Edits, Victim

WORD = regex.compile(r"\p{Latin}[\p{Latin}'’-]*")
LEAST = 4  # letters of a word that is changed


def is_word(token: str) -> bool:
    """Whether a token is a word in Latin letters, long enough to be read with a mistake in it."""
    return sum(map(str.isalpha, token)) >= LEAST and WORD.fullmatch(token) is not None


def replace_letter(token: str, at: int, new: str) -> str:
    """Returns the token with something else in place of one letter."""
    return token[:at] + new + token[at + 1 :]


class LetterEdits(Edits):
    """An attack that changes the letters of one word after the other, one change a word."""

    changes = "letters"
    needs_words = True

    def __init__(self, *, tries: Annotated[int, Ge(1), Le(100_000)] = 64) -> None:
        self.tries = tries

    def misspell(self, word: str) -> list[str]:
        """Returns the forms that a word may get."""
        raise NotImplementedError

    def edits(self, victim: Victim, token: str, draw: np.random.Generator) -> list[tuple[str, ...]]:
        return [(form,) for form in self.misspell(token)] if is_word(token) else []
