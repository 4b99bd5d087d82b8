"""Tasks that write the answer to a source token by token: copy, reverse, sort and addition."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import UNSCORED, Noise


class Rewrite(Task):
    """Sequences `source : answer ;` for a causal model, scored on the answer and its end."""

    every = True
    causal = True

    def lengths(self) -> tuple[int, ...]:
        """Returns the lengths of the test parts, with 3/2 of the trained one, as few answers are right at twice it."""
        return tuple(sorted({*super().lengths(), self.train_len * 3 // 2}))

    def pair_of(self, draw: np.random.Generator, length: int) -> tuple[Sequence[str], Sequence[str]]:
        """Returns the source and its answer, as names of tokens."""
        raise NotImplementedError

    def item(self, draw: np.random.Generator, length: int) -> Item:
        source, answer = self.pair_of(draw, length)
        number = {name: i for i, name in enumerate(self.vocab)}
        sequence = [number[name] for name in (*source, ":", *answer, ";")]
        targets = [UNSCORED] * len(source) + sequence[len(source) + 1 :]  # the next token
        return Item(tokens=sequence[:-1], targets=targets)


class Letters(Rewrite):
    """The source is a string of letters, drawn with repeats. Every answer is certain: the lowest possible loss is 0."""

    def __init__(
        self,
        *,
        letters: Annotated[int, Ge(2), Le(1000)] = 16,
        train_len: Length = 10,
        longest: Longest = 4,
        size: Size = 4096,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        super().__init__(train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, letters=letters)
        self.vocab = (PAD, ":", ";", *(f"x{i}" for i in range(letters)))
        self.classes = self.vocab
        self.letters = letters

    def rewritten(self, source: list[int]) -> list[int]:
        """Returns the answer to a source, both as numbers of letters."""
        raise NotImplementedError

    def pair_of(self, draw: np.random.Generator, length: int) -> tuple[Sequence[str], Sequence[str]]:
        source = draw.integers(self.letters, size=length).tolist()
        return [f"x{i}" for i in source], [f"x{i}" for i in self.rewritten(source)]

    def tokens_of(self, length: int) -> int:
        return 2 * length + 1

    def entropy(self) -> float:
        return 0.0
