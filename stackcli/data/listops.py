"""Nested operations on lists of digits, Nangia and Bowman 2018, arXiv:1804.06028; the item carries its tree.

input   [MAX 2 9 [MIN 4 7 ] 0 ]
answer  9
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import Noise

OPERATIONS = ("[MAX", "[MIN", "[MED", "[SM")  # largest, smallest, median (rounded down), sum modulo 10


def value(operation: str, digits: list[int]) -> int:
    """Returns the value of an operation on a list of digits."""
    if operation == "[MED":
        middle = sorted(digits)[(len(digits) - 1) // 2 : len(digits) // 2 + 1]
        return sum(middle) // len(middle)
    return {"[MAX": max(digits), "[MIN": min(digits), "[SM": sum(digits) % 10}[operation]


class ListOps(Task):
    """Expressions of at most `train_len` tokens, with 2 to `wide` arguments in a list and at most `deep` nested lists.
    In the tree, the parent of a digit or a closing bracket is its operation. Raises ValueError for a length below 4."""

    classes = tuple("0123456789")
    vocab = (PAD, *OPERATIONS, "]", *classes)

    def __init__(
        self,
        *,
        wide: Annotated[int, Ge(2), Le(100)] = 5,
        deep: Annotated[int, Ge(1), Le(100)] = 4,
        train_len: Length = 48,
        longest: Longest = 2,
        size: Size = 4096,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        super().__init__(train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, wide=wide, deep=deep)
        self.check_lengths(shortest=4, trained=4, why="the shortest expression has 4 tokens")
        self.wide, self.deep = wide, deep

    def item(self, draw: np.random.Generator, length: int) -> Item:
        number = {name: i for i, name in enumerate(self.vocab)}
        tokens: list[int] = []
        tree: list[int] = []

        def write(name: str, above: int) -> int:
            tokens.append(number[name])
            tree.append(above)
            return len(tokens) - 1

        def grow(room: int, deep: int, above: int | None) -> int:
            """Writes an expression of at most `room` tokens, and returns its value."""
            if above is not None and (deep == 0 or room < 4 or draw.random() < 0.5):
                digit = int(draw.integers(10))
                write(str(digit), above)
                return digit
            operation = OPERATIONS[int(draw.integers(len(OPERATIONS)))]
            here = write(operation, len(tokens) if above is None else above)
            room, found = room - 2, []
            count = min(room, int(draw.integers(2, self.wide + 1)))
            for left in reversed(range(count)):
                before = len(tokens)
                found.append(grow(room - left, deep - 1, here))
                room -= len(tokens) - before
            write("]", here)
            return value(operation, found)

        answer = grow(max(4, length), self.deep, None)
        return Item(tokens=tokens, label=answer, tree=tree)

    def tokens_of(self, length: int) -> int:
        return max(4, length)
