"""Which bracket must be closed next? Brackets of several kinds, well nested, to any depth.

input    ( [ ] { (
answer   ( [ ( { (      (the innermost open bracket after each token, or "none")
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import Noise


class Dyck(Task):
    """Prefixes of the Dyck language with `kinds` kinds of brackets, at most `deep` of them open at once. Where both are
    possible, a bracket opens with probability one half. Every answer is certain: the lowest possible loss is 0."""

    every = True
    causal = True
    fixed = True

    def __init__(
        self,
        *,
        kinds: Annotated[int, Ge(1), Le(1000)] = 3,
        deep: Annotated[int, Ge(1), Le(1000)] = 8,
        train_len: Length = 32,
        longest: Longest = 4,
        size: Size = 4096,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        super().__init__(
            train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, kinds=kinds, deep=deep
        )
        self.deep = deep
        self.classes = ("none", *(f"({i}" for i in range(kinds)))
        self.vocab = (PAD, *self.classes[1:], *(f"){i}" for i in range(kinds)))

    def item(self, draw: np.random.Generator, length: int) -> Item:
        kinds, opened = len(self.classes) - 1, list[int]()
        tokens, targets = [], []
        for opens, kind in zip(draw.random(length) < 0.5, draw.integers(kinds, size=length), strict=True):
            if not opened or (opens and len(opened) < self.deep):
                opened.append(int(kind))
                tokens.append(1 + int(kind))
            else:
                tokens.append(1 + kinds + opened.pop())
            targets.append(1 + opened[-1] if opened else 0)
        return Item(tokens=tokens, targets=targets)

    def entropy(self) -> float:
        return 0.0
