"""Name the token of each node's parent, with the nodes of a random tree in depth-first order.

input    a b c d        a
answer   - a b a       / \\
                      b   d
                      |
                      c
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import UNSCORED, Noise


class Tree(Task):
    """Random recursive trees: the parent of each new node is drawn uniformly from the nodes before it. Tokens are drawn
    independently, and each item has its tree. Given the tree, every answer is certain. The root is not scored."""

    every = True
    fixed = True

    def __init__(
        self,
        *,
        letters: Annotated[int, Ge(2), Le(1000)] = 16,
        train_len: Length = 15,
        longest: Longest = 1,
        size: Size = 4096,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        super().__init__(train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, letters=letters)
        self.check_lengths(shortest=2, trained=2, why="the root is not scored")
        self.classes = tuple(f"x{i}" for i in range(letters))
        self.vocab = (PAD, *self.classes)

    def item(self, draw: np.random.Generator, length: int) -> Item:
        length = max(2, length)
        below: list[list[int]] = [[] for _ in range(length)]
        for node in range(1, length):
            below[int(draw.integers(node))].append(node)
        todo, parents = [(0, 0)], list[int]()
        while todo:
            node, above = todo.pop()
            at = len(parents)
            parents.append(above)
            todo += [(child, at) for child in reversed(below[node])]
        letters = draw.integers(len(self.classes), size=length).tolist()
        targets = [UNSCORED, *(letters[p] for p in parents[1:])]
        return Item(tokens=[1 + s for s in letters], targets=targets, tree=parents)

    def tokens_of(self, length: int) -> int:
        return max(2, length)

    def entropy(self) -> float:
        return 0.0
