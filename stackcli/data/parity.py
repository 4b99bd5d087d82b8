"""Is the number of ones odd? Order plays no part, counting does.

input   1 0 1 1
answer  odd
"""

from collections.abc import Sequence

import numpy as np

from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import Noise


class Parity(Task):
    """Independent fair bits. Every answer is certain, but a model that misses one bit can only guess."""

    classes = ("even", "odd")
    vocab = (PAD, "0", "1")

    def __init__(
        self, *, train_len: Length = 16, longest: Longest = 4, size: Size = 4096, noise: Noise = 0.0, seed: TaskSeed = 0
    ) -> None:
        super().__init__(train_len=train_len, longest=longest, size=size, noise=noise, seed=seed)

    def item(self, draw: np.random.Generator, length: int) -> Item:
        bits = draw.integers(2, size=length)
        return Item(tokens=(bits + 1).tolist(), label=int(bits.sum() % 2))

    def entropy(self) -> float:
        return 0.0

    knows_classes = True

    def true_class(self, tokens: Sequence[int], label: int) -> int | None:
        return sum(token == 2 for token in tokens) % 2
