"""Associative recall: pairs of key and value, then the keys again in another order; cf. Arora et al. 2023,
arXiv:2312.04927.

input   k3 v1 k7 v4 k1 v9 | k1 k3 k7
answer                      v9 v1 v4
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import UNSCORED, Noise


class Recall(Task):
    """The length of an item is its number of pairs; keys and values are drawn without replacement from `symbols` each.

    The accuracy is 1 for a stack that can relate a value to the key before it (two layers), and 1 / pairs for a stack
    that guesses among the values of the item. Raises ValueError for more pairs than symbols.
    """

    every = True
    causal = True
    fixed = True

    def __init__(
        self,
        *,
        symbols: Annotated[int, Ge(2), Le(10_000)] = 16,
        train_len: Length = 8,
        longest: Longest = 2,
        size: Size = 8192,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        super().__init__(train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, symbols=symbols)
        if max(self.lengths()) > symbols:
            pairs = f"{max(self.lengths())} pairs (data.train_len={train_len} data.longest={longest})"
            raise ValueError(f"data=recall draws without replacement: {pairs} need data.symbols={max(self.lengths())}")
        self.symbols = symbols
        self.classes = tuple(f"v{i}" for i in range(symbols))
        self.vocab = (PAD, *(f"k{i}" for i in range(symbols)), *self.classes)

    def item(self, draw: np.random.Generator, length: int) -> Item:
        keys, values = (draw.permutation(self.symbols)[:length] for _ in range(2))
        order = draw.permutation(length)
        pairs = np.stack((1 + keys, 1 + self.symbols + values), axis=1).ravel()
        tokens = [*pairs.tolist(), *(1 + keys[order]).tolist()]
        return Item(tokens=tokens, targets=[UNSCORED] * (2 * length) + values[order].tolist())

    def tokens_of(self, length: int) -> int:
        return 3 * length

    def entropy(self) -> float:
        return 0.0
