"""Does 0 come before 1? A sequence and its reversal have the same tokens and the other answer.

input   c 0 a b 1      1 b a 0 c
answer  before         after
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import Noise


class Order(Task):
    """One 0 and one 1 among other tokens; every second item is the reversal of the one before. Without positions the
    accuracy is exactly one half. Raises ValueError for a length below 2."""

    pair = 2
    fixed = True
    classes = ("after", "before")

    def __init__(
        self,
        *,
        others: Annotated[int, Ge(1), Le(1000)] = 8,
        train_len: Length = 10,
        longest: Longest = 4,
        size: Size = 4096,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        super().__init__(train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, others=others)
        self.check_lengths(shortest=2, trained=2, why="an item holds one 0 and one 1")
        self.vocab = (PAD, "0", "1", *(f"x{i}" for i in range(others)))

    def item(self, draw: np.random.Generator, length: int) -> Item:
        length = max(2, length)
        tokens = draw.integers(3, len(self.vocab), size=length)
        zero, one = draw.choice(length, size=2, replace=False)
        tokens[zero], tokens[one] = 1, 2
        return Item(tokens=tokens.tolist(), label=int(zero < one))

    def partner(self, item: Item, which: int) -> Item:
        return Item(tokens=item.tokens[::-1], label=1 - item.label) if which else item

    knows_classes = True

    def true_class(self, tokens: Sequence[int], label: int) -> int | None:
        found = list(tokens)
        return int(found.index(1) < found.index(2)) if found.count(1) == found.count(2) == 1 else None

    def tokens_of(self, length: int) -> int:
        return max(2, length)

    def entropy(self) -> float:
        return 0.0
