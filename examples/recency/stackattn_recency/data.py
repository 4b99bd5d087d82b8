"""Which letter comes last? A task that needs order."""

from hashlib import sha256
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.data.base import Data, Examples, Loaded

LETTERS = ("a", "b", "c", "d")


class LastLetter(Data):
    """Sequences over four letters, drawn uniformly.

    input   b a c a d
    answer  d
    """

    def __init__(self, *, size: Annotated[int, Ge(100), Le(100_000)] = 1000, length: Annotated[int, Ge(2)] = 8) -> None:
        self.size, self.length = size, length

    def fingerprint(self) -> str:
        return sha256(f"last letter {self.size} {self.length}".encode()).hexdigest()

    def load(self) -> Loaded:
        draw = np.random.default_rng(0)
        return Loaded(
            train=self._part(draw, self.size),
            val=self._part(draw, self.size // 5),
            test=self._part(draw, self.size // 5),
            vocab=("<pad>", *LETTERS),
            classes=LETTERS,
            max_len=self.length,
            text=False,
        )

    def _part(self, draw: np.random.Generator, count: int) -> Examples:
        letters = draw.integers(len(LETTERS), size=(count, self.length))
        return Examples(
            tokens=tuple(tuple(row) for row in (letters + 1).tolist()),  # 0 is padding
            labels=tuple(letters[:, -1].tolist()),
            texts=("",) * count,
        )
