"""Which token is the most frequent? Order plays no part; a share of the training labels may be wrong.

input   b a b c b a
answer  b
"""

from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.address import generator
from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import Examples


class Majority(Task):
    """Sequences with one commonest token, of `letters`. `noise`: this share of the training and validation labels is
    replaced by another letter, drawn evenly, so that the least loss there is the entropy of the noise; test labels are
    right."""

    def __init__(
        self,
        *,
        letters: Annotated[int, Ge(2), Le(1000)] = 4,
        noise: Annotated[float, Ge(0), Le(1)] = 0.0,
        train_len: Length = 12,
        longest: Longest = 4,
        size: Size = 4096,
        seed: TaskSeed = 0,
    ) -> None:
        super().__init__(train_len=train_len, longest=longest, size=size, seed=seed, letters=letters, noise=noise)
        self.noise = noise
        self.classes = tuple(f"x{i}" for i in range(letters))
        self.vocab = (PAD, *self.classes)

    def item(self, draw: np.random.Generator, length: int) -> Item:
        while True:
            letters = draw.integers(len(self.classes), size=length)
            counts = np.bincount(letters, minlength=len(self.classes))
            if (counts == counts.max()).sum() == 1:
                break
        return Item(tokens=(letters + 1).tolist(), label=int(counts.argmax()))

    def part(self, name: str, count: int, length: int | None) -> Examples:
        right = super().part(name, count, length)
        if name == "test" or not self.noise:
            return right
        draw = generator("task", "majority", self.seed, "noise", name)
        wrong = draw.random(count) < self.noise
        other = draw.integers(1, len(self.classes), size=count)  # how far along the wrong letter is
        labels = [
            (label + int(o) * int(w)) % len(self.classes)
            for label, o, w in zip(right.labels, other, wrong, strict=True)
        ]
        return replace(right, labels=tuple(labels))
