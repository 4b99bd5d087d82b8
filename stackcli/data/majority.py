"""Which token is the most frequent? Order plays no part; a share of the training labels may be wrong.

input   b a b c b a
answer  b
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import Noise


class Majority(Task):
    """Sequences of `letters` different tokens, of which one is most frequent. With `noise`, the lowest possible loss on
    the training and validation parts is the entropy of the noise; test labels are right."""

    def __init__(
        self,
        *,
        letters: Annotated[int, Ge(2), Le(1000)] = 4,
        train_len: Length = 12,
        longest: Longest = 4,
        size: Size = 4096,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        super().__init__(train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, letters=letters)
        self.classes = tuple(f"x{i}" for i in range(letters))
        self.vocab = (PAD, *self.classes)

    def item(self, draw: np.random.Generator, length: int) -> Item:
        while True:
            letters = draw.integers(len(self.classes), size=length)
            counts = np.bincount(letters, minlength=len(self.classes))
            if (counts == counts.max()).sum() == 1:
                break
        return Item(tokens=(letters + 1).tolist(), label=int(counts.argmax()))

    knows_classes = True

    def true_class(self, tokens: Sequence[int], label: int) -> int | None:
        counts = np.bincount(np.asarray(tokens, dtype=np.int64), minlength=len(self.vocab))[1:]
        return int(counts.argmax()) if (counts == counts.max()).sum() == 1 else None
