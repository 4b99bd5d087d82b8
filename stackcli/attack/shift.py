"""The same text at later positions, as with padding on its left; Sinha et al. 2022, arXiv:2210.12574."""

from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.attack.base import Sample, Variants, Victim, count_changes


class Shift(Variants):
    """The worst of the shifts by 1 to k positions, of at most `tries` of them. An encoding that depends on offsets
    alone loses nothing. Padding is masked, so nothing but the positions of the tokens changes."""

    unit = "positions"
    changes = "positions"

    def __init__(self, *, tries: Annotated[int, Ge(1), Le(100_000)] = 16) -> None:
        self.tries = tries

    def variants(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> list[Sample]:
        most = count_changes(budget, len(sample.tokens)) if budget < 1 else int(budget)
        most = min(most, victim.room(sample))
        count = min(self.tries, most)
        chosen = sorted({round(most - i * (most - 1) / max(1, count - 1)) for i in range(count)})
        return [replace(sample, first=sample.first + by) for by in chosen]
