"""Nested operations on lists of digits, Nangia and Bowman 2018, arXiv:1804.06028; the item carries its tree.

input   [MAX 2 9 [MIN 4 7 ] 0 ]
answer  9

`data.shortest=500 data.train_len=2000 data.wide=10 data.deep=10 data.longest=1` has the lengths, widest lists and
deepest nesting of Long Range Arena, Tay et al. 2020, sec. 2.2.1, arXiv:2011.04006; its answers are evenly distributed.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from stackcli.data._task import PAD, Item, Length, Longest, Size, Task, TaskSeed
from stackcli.data.base import Noise

OPERATIONS = ("[MAX", "[MIN", "[MED", "[SM")  # largest, smallest, median (rounded down), sum modulo 10


CLOSE = 1 + len(OPERATIONS)  # token id of the closing bracket; that of digit d is d + 1 more


def uniforms(draw: np.random.Generator) -> Iterator[float]:
    """Yields random numbers in [0, 1), as Python's own."""
    while True:
        yield from draw.random(1024).tolist()


def value(operation: str, digits: list[int]) -> int:
    """Returns the value of an operation on a list of digits."""
    if operation == "[MED":
        middle = sorted(digits)[(len(digits) - 1) // 2 : len(digits) // 2 + 1]
        return sum(middle) // len(middle)
    return {"[MAX": max(digits), "[MIN": min(digits), "[SM": sum(digits) % 10}[operation]


def draw_arguments(u: Iterator[float], operation: str, value: int, count: int) -> list[int]:
    """Returns `count` random digits on which an operation has this value, in random order.

    `[SM`: all but one are uniform. Otherwise the digits that make the value (one; for the median of an even number two,
    drawn uniformly) are fixed, and each of the others is uniform among the digits that leave the value as it is.
    """
    if operation == "[SM":
        found = [int(10 * next(u)) for _ in range(count - 1)]
        return [*found, (value - sum(found)) % 10]
    low = high = value
    if operation == "[MED" and count % 2 == 0:
        least = max(0, 2 * value - 9)
        low = least + int(next(u) * (value - least + 1))
        high = min(9, 2 * value - low + int(2 * next(u)))
    fixed = [value] if operation != "[MED" or count % 2 else [low, high]
    others = count - len(fixed)
    below = others if operation == "[MAX" else 0 if operation == "[MIN" else others // 2
    found = fixed + [int(next(u) * (low + 1)) for _ in range(below)]
    found += [high + int(next(u) * (10 - high)) for _ in range(others - below)]
    return [found[i] for i in sorted(range(count), key=lambda _: next(u))]


def draw_shape(u: Iterator[float], size: int, wide: int, deep: int) -> list[list[int]]:
    """Returns the arguments of each node of a random expression of `size` tokens, or one or two fewer where no list can
    be made longer by so few. Node 0 is the whole expression; a digit has no arguments.

    It grows from a digit: again and again a random digit becomes a list of 2 to `wide` digits, while the size allows.
    """
    below: list[list[int]] = [[]]
    level, digits, short, left = [0], [0], list[int](), size - 1
    while left > 0:
        if left >= 3 and digits:
            at = int(next(u) * len(digits))
            node, digits[at] = digits[at], digits[-1]
            digits.pop()
            more = min(left - 1, 2 + int(next(u) * (wide - 1)))
            left -= 1  # the list has a token more than its arguments and the digit that it replaces
        elif short:
            node, more = short.pop(int(next(u) * len(short))), 1
        else:
            break
        new = range(len(below), len(below) + more)
        below[node].extend(new)
        below.extend([] for _ in new)
        level.extend([level[node] + 1] * more)
        digits.extend(new if level[node] + 1 < deep else ())
        short.extend([node] if len(below[node]) < wide else [])
        left -= more
    return below


class ListOps(Task):
    """Expressions of at most `train_len` tokens, with 2 to `wide` arguments in a list and at most `deep` nested lists.
    In the tree, the parent of a digit or a closing bracket is its operation.

    `shortest=0`: lists end early at random, so that lengths vary; with the default `wide` and `deep` most have fewer
    than 120 tokens, whatever `train_len` is. Otherwise training items have `shortest` to `train_len` tokens, uniformly,
    and an item of a test part has the length of the part, or up to two tokens fewer. Operation and answer are then
    drawn first, uniformly and independently, and so on down through every list (see `draw_arguments`): every answer is
    equally frequent at every length, and the first operation says nothing about it. If digits were drawn first instead,
    a long list would nearly always give 9 under `[MAX` and 0 under `[MIN`. Raises ValueError for impossible lengths.
    """

    classes = tuple("0123456789")
    vocab = (PAD, *OPERATIONS, "]", *classes)

    def __init__(
        self,
        *,
        wide: Annotated[int, Ge(2), Le(100)] = 5,
        deep: Annotated[int, Ge(1), Le(100)] = 4,
        shortest: Annotated[int, Ge(0), Le(100_000)] = 0,
        train_len: Length = 48,
        longest: Longest = 2,
        size: Size = 4096,
        noise: Noise = 0.0,
        seed: TaskSeed = 0,
    ) -> None:
        own = {"wide": wide, "deep": deep, **({"shortest": shortest} if shortest else {})}
        super().__init__(train_len=train_len, longest=longest, size=size, noise=noise, seed=seed, **own)
        self.check_lengths(shortest=4, trained=4, why="the shortest expression has 4 tokens")
        self.wide, self.deep, self.shortest = wide, deep, shortest
        if shortest:
            self._check_shortest()
            self.least = shortest + 2

    def _check_shortest(self) -> None:
        """Raises ValueError for lengths that are impossible."""
        if not 4 <= self.shortest <= self.train_len - 2:
            raise ValueError(
                f"data=listops: data.shortest={self.shortest} with data.train_len={self.train_len}; it must be 0, or "
                "from 4 to data.train_len - 2"
            )
        most, asked = 1, max(self.lengths()) if self.longest > 1 else self.train_len
        for _ in range(self.deep):
            most = 2 + self.wide * most
        if most < asked:
            raise ValueError(
                f"data=listops: data.wide={self.wide} data.deep={self.deep} allow {most:,} tokens, fewer than the "
                f"{asked:,} of the longest items; raise data.wide or data.deep, or lower data.train_len or data.longest"
            )

    def item(self, draw: np.random.Generator, length: int) -> Item:
        return self._item_down(draw, length) if self.shortest else self._item_up(draw, length)

    def _item_down(self, draw: np.random.Generator, length: int) -> Item:
        """Draws the shape, then the operations and values from the whole expression down to the digits."""
        u = uniforms(draw)
        below = draw_shape(u, length, self.wide, self.deep)
        answer = int(10 * next(u))
        values, tokens, tree = [answer] * len(below), list[int](), list[int]()
        todo = [(0, 0)]  # (node, index of its parent's token); node -1 is a closing bracket
        while todo:
            node, above = todo.pop()
            tree.append(above)
            if node < 0:
                tokens.append(CLOSE)
            elif not below[node]:
                tokens.append(CLOSE + 1 + values[node])
            else:
                which, here = int(len(OPERATIONS) * next(u)), len(tokens)
                tokens.append(1 + which)
                todo.append((-1, here))
                found = draw_arguments(u, OPERATIONS[which], values[node], len(below[node]))
                for argument, value in zip(reversed(below[node]), found, strict=True):
                    values[argument] = value
                    todo.append((argument, here))
        return Item(tokens=np.array(tokens, np.int32), label=answer, tree=np.array(tree, np.int32))

    def _item_up(self, draw: np.random.Generator, length: int) -> Item:
        """Draws operations and digits, and evaluates them."""
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
