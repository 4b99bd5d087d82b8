"""Words are left out, those first whose loss harms the answer the most; Li et al. 2016, arXiv:1612.08220."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.attack.base import Edits, Victim


class Deletion(Edits):
    """What is left out may be what the class depends on, so the true label may change."""

    unit = "words left out"
    changes = "tokens"
    keeps_length = False

    def __init__(self, *, tries: Annotated[int, Ge(1), Le(100_000)] = 64) -> None:
        self.tries = tries

    @property
    def keeps_label(self) -> bool:
        return False

    def edits(self, victim: Victim, token: str, draw: np.random.Generator) -> list[tuple[str, ...]]:
        return [()]
