"""Name the token that stands 1, 2, ..., 8 places earlier: one answer for each lag at every token.

input        c a b b
answer lag 1   c a b
       lag 2     c a
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import UNSCORED, Noise


class Lag(Task):
    """Independent tokens, `letters` different ones; the answers at a token are the tokens 1 to `lags` places earlier.

    Every answer is certain. A stack whose L blocks each attend w tokens back can know lags up to L w. Raises ValueError
    for a trained length at which some lag has no answer.
    """

    every = True
    causal = True
    fixed = True

    def __init__(
        self,
        *,
        letters: Annotated[int, Ge(2), Le(1000)] = 8,
        lags: Annotated[int, Ge(1), Le(1000)] = 8,
        train_len: Length = 20,
        longest: Longest = 4,
        size: Size = 4096,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        super().__init__(
            train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, letters=letters, lags=lags
        )
        why = f"the answers at a token are the {lags} tokens before it (data.lags={lags})"
        self.check_lengths(shortest=2, trained=lags + 1, why=why)
        self.outputs = lags
        self.classes = tuple(f"x{i}" for i in range(letters))
        self.vocab = (PAD, *self.classes)

    def item(self, draw: np.random.Generator, length: int) -> Item:
        tokens = draw.integers(1, len(self.vocab), size=length).tolist()
        lags = range(1, self.outputs + 1)
        targets = [tokens[t - lag] - 1 if t >= lag else UNSCORED for t in range(length) for lag in lags]
        return Item(tokens=tokens, targets=targets)

    def entropy(self) -> float:
        return 0.0
