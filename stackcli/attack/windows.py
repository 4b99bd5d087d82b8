"""Tokens are shuffled inside short windows: only their local order changes; Gupta et al. 2021, arXiv:2101.03453."""

from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.attack.base import Sample, Variants, Victim, count_changes


class Windows(Variants):
    """The worst of `tries` random orders in which no token moves by more than k places: the text is cut into windows of
    k + 1 tokens, and each of them is shuffled. Where order matters, the true label may change."""

    unit = "places a token moves"
    changes = "tokens"

    def __init__(self, *, tries: Annotated[int, Ge(1), Le(100_000)] = 16) -> None:
        self.tries = tries

    @property
    def keeps_label(self) -> bool:
        return False

    def variants(self, victim: Victim, sample: Sample, budget: float, draw: np.random.Generator) -> list[Sample]:
        width = count_changes(budget, len(sample.tokens)) + 1
        if width < 2 or sample.tree:
            return []
        return [replace(sample, tokens=shuffle_windows(sample.tokens, width, draw)) for _ in range(self.tries)]


def shuffle_windows(tokens: tuple[str, ...], width: int, draw: np.random.Generator) -> tuple[str, ...]:
    """Returns the tokens, each window of `width` of them in a random order."""
    starts = range(0, len(tokens), width)
    return tuple(tokens[start + int(i)] for start in starts for i in draw.permutation(len(tokens[start:][:width])))
