"""What the made-up tasks share: every item is a function of (seed, part, length, index), and nothing is read.

Lengths are those of an item as its task counts it (the string to be copied, the expression, ...). Training and
validation items have lengths up to `train_len`, or exactly that where the task says so; test items have `train_len`;
and there are test parts of half of it and of 2, 4, ... times, up to `longest`. `noise`: this share of what training and
validation items ask has another answer, drawn evenly; tokens, and all that a test item asks, are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le

from stackcli.common.seeding import generator
from stackcli.data.base import UNSCORED, Data, Examples, Loaded, replace_labels

Length = Annotated[int, Ge(1), Le(100_000)]
Longest = Annotated[int, Ge(1), Le(64)]
Size = Annotated[int, Ge(1), Le(10_000_000)]
TaskSeed = Annotated[int, Ge(0), Le(2**62)]
HELD_OUT = 256  # items of the validation part and of each test part
PAD = "<pad>"
VERSION = 2  # raised when the same keys give other items


def test_lengths(trained: int, longest: int) -> tuple[int, ...]:
    """1/2, 1, 2, 4, ... times the trained length, up to `longest` times it, none below 1."""
    factors = [2**i for i in range(7) if 2**i <= longest]
    return tuple(dict.fromkeys([max(1, trained // 2), *(trained * f for f in factors)]))


@dataclass(frozen=True)
class Item:
    """One sequence: its tokens by id, and its class or the classes of its tokens, `outputs` a token in a row;
    `log_probs`: of each target the logarithm of the probability that the source gives it, empty where it is certain."""

    tokens: Sequence[int]
    label: int = UNSCORED
    targets: Sequence[int] = ()
    tree: Sequence[int] = ()
    log_probs: Sequence[float] = ()


class Task(Data):
    """Made by its subclass: `vocab` (id 0 pads), `classes`, `item`."""

    vocab: tuple[str, ...]
    classes: tuple[str, ...]
    every = False  # an answer at every token
    outputs = 1
    causal = False
    fixed = False  # training items all have `train_len`

    def __init__(self, *, train_len: int, longest: int, size: int, noise: float, seed: int, **own: Any) -> None:
        self.train_len, self.longest, self.size, self.noise, self.seed = train_len, longest, size, noise, seed
        self.keys = {"train_len": train_len, "longest": longest, "size": size, "noise": noise, "seed": seed, **own}

    def item(self, draw: np.random.Generator, length: int) -> Item:
        """One item of that length."""
        raise NotImplementedError

    def tokens_of(self, length: int) -> int:
        """How many tokens an item of that length has at most."""
        return length

    def entropy(self) -> float | None:
        """The lowest mean loss that any model can reach on the test part, whose answers are right, in nats per scored
        item; None where it is not known."""
        return None

    def lengths(self) -> tuple[int, ...]:
        """Those of the test parts: 1/2, 1, 2, 4, ... times the trained one, none below 1."""
        return test_lengths(self.train_len, self.longest)

    def check_lengths(self, *, shortest: int, trained: int, why: str) -> None:
        """Raises ValueError where an item of a test part would be shorter than `shortest`, or one of the training part
        shorter than `trained`: nothing in it could be asked."""
        name, half = f"data={type(self).__name__.lower()}", min(self.lengths())
        longer = max(trained, 2 * shortest)
        if self.train_len < trained:
            least = longer if self.longest > 1 else trained
            raise ValueError(f"{name} needs data.train_len of at least {least}, not {self.train_len}: {why}")
        if self.longest > 1 and half < shortest:
            raise ValueError(
                f"{name}: with data.train_len={self.train_len} there is a test part of half of it, {half}, which is "
                f"too short: {why}; data.train_len must be at least {longer}, or write data.longest=1"
            )

    def fingerprint(self) -> str:
        return sha256(repr((type(self).__name__, VERSION, sorted(self.keys.items()))).encode()).hexdigest()

    def load(self) -> Loaded:
        parts = {"train": self.size, "val": HELD_OUT, "test": HELD_OUT}
        made = {name: self.part(name, n, None if name != "test" else self.train_len) for name, n in parts.items()}
        longer = tuple((n, self.part("test", HELD_OUT, n)) for n in self.lengths()) if self.longest > 1 else ()
        reach = max(self.train_len, *self.lengths()) if longer else self.train_len
        return Loaded(
            train=made["train"],
            val=made["val"],
            test=made["test"],
            vocab=self.vocab,
            classes=self.classes,
            max_len=self.tokens_of(reach),
            text=False,
            every=self.every,
            outputs=self.outputs,
            causal=self.causal,
            entropy=self.entropy(),
            longer=longer,
        )

    def part(self, name: str, count: int, length: int | None) -> Examples:
        """Items of one length, or where it is None of lengths drawn from 1 to `train_len`."""
        items = []
        for index in range(count):
            draw = generator("task", type(self).__name__, self.seed, name, length or 0, index // self.pair)
            n = length or (self.train_len if self.fixed else int(draw.integers(1, self.train_len + 1)))
            items.append(self.partner(self.item(draw, n), index % self.pair))
        every = bool(items[0].targets)
        return Examples(
            tokens=tuple(tuple(map(int, item.tokens)) for item in items),
            labels=() if every else tuple(self.told(name, i, [item.label])[0] for i, item in enumerate(items)),
            texts=("",) * count,
            targets=tuple(self.told(name, i, item.targets) for i, item in enumerate(items)) if every else (),
            trees=tuple(tuple(map(int, item.tree)) for item in items) if items[0].tree else (),
            log_probs=tuple(map(self.log_probs, items)) if name == "test" and self.entropy() is not None else (),
        )

    def log_probs(self, item: Item) -> tuple[float, ...]:
        """Of each target of a test item, whose answers are right, the log probability under the source."""
        return tuple(map(float, item.log_probs)) or (0.0,) * max(1, len(item.targets))

    def told(self, part: str, index: int, answers: Sequence[int]) -> tuple[int, ...]:
        """What an item's answers are said to be."""
        noise = 0.0 if part == "test" else self.noise
        return replace_labels(
            [int(a) for a in answers], len(self.classes), noise, type(self).__name__, self.seed, part, index
        )

    pair = 1  # items that belong together: index 0 is drawn, the others follow from it

    def partner(self, item: Item, which: int) -> Item:
        return item
