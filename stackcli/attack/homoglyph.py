"""A letter is replaced by one of another script that looks the same; Boucher et al. 2022, sec. IV, arXiv:2106.09898."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.attack._letters import is_word, replace_letter
from stackcli.attack.base import Edits, Victim

# Latin letters, each with Cyrillic, Greek or Armenian ones of the same shape: Unicode Technical Standard 39.
ALIKE = {
    "a": "а", "c": "с", "d": "ԁ", "e": "е", "h": "һ", "i": "і", "j": "ј", "l": "ӏ", "n": "ո", "o": "оο", "p": "р",
    "q": "ԛ", "s": "ѕ", "u": "ս", "v": "ѵν", "w": "ԝ", "x": "х", "y": "у",
}  # fmt: skip


class Homoglyph(Edits):
    """A person sees no difference; the tokeniser reads another word, which the stack does not know."""

    unit = "changed words"
    changes = "letters"
    needs_words = True

    def __init__(self, *, tries: Annotated[int, Ge(1), Le(100_000)] = 64) -> None:
        self.tries = tries

    def edits(self, victim: Victim, token: str, draw: np.random.Generator) -> list[tuple[str, ...]]:
        if not is_word(token):
            return []
        return [(replace_letter(token, i, new),) for i, letter in enumerate(token) for new in ALIKE.get(letter, "")]
