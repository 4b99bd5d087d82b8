"""Associative recall: pairs of key and value, then the keys again in another order; cf. Arora et al. 2023,
arXiv:2312.04927.

input   k3 v1 k7 v4 k1 v9 | k1 k3 k7
answer                      v9 v1 v4

With `distance=4`, four filler tokens lie between the pairs and the queries:

input   k3 v1 k7 v4 k1 v9 | f2 f5 f2 f0 | k1 k3 k7
answer                                    v9 v1 v4
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

    `distance`: number of filler tokens between the last pair and the first query, drawn with replacement from `symbols`
    fillers, in items of every length. Pairs and queries are the same for every distance. A query is 2 + distance to
    3 * pairs - 1 + distance tokens after its key in the pairs, and one token less after the value that it asks for.
    So causal layers of `attention=window` see no pair where depth * reach <= distance, and every pair where
    depth * reach >= 3 * pairs - 1 + distance; a stack that sees no pair has an accuracy of 1 / symbols.
    """

    every = True
    causal = True
    fixed = True

    def __init__(
        self,
        *,
        symbols: Annotated[int, Ge(2), Le(10_000)] = 16,
        distance: Annotated[int, Ge(0), Le(100_000)] = 0,
        train_len: Length = 8,
        longest: Longest = 2,
        size: Size = 8192,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        own = {"symbols": symbols, **({"distance": distance} if distance else {})}
        super().__init__(train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, **own)
        if max(self.lengths()) > symbols:
            pairs = f"{max(self.lengths())} pairs (data.train_len={train_len} data.longest={longest})"
            raise ValueError(f"data=recall draws without replacement: {pairs} need data.symbols={max(self.lengths())}")
        self.symbols, self.distance = symbols, distance
        self.classes = tuple(f"v{i}" for i in range(symbols))
        fillers = tuple(f"f{i}" for i in range(symbols)) if distance else ()
        self.vocab = (PAD, *(f"k{i}" for i in range(symbols)), *self.classes, *fillers)

    def item(self, draw: np.random.Generator, length: int) -> Item:
        keys, values = (draw.permutation(self.symbols)[:length] for _ in range(2))
        order = draw.permutation(length)
        pairs = np.stack((1 + keys, 1 + self.symbols + values), axis=1).ravel()
        filler = 1 + 2 * self.symbols + draw.integers(self.symbols, size=self.distance)
        unscored = np.full(2 * length + self.distance, UNSCORED)
        return Item(
            tokens=np.concatenate((pairs, filler, 1 + keys[order])), targets=np.concatenate((unscored, values[order]))
        )

    def tokens_of(self, length: int) -> int:
        return 3 * length + self.distance

    def entropy(self) -> float:
        return 0.0
