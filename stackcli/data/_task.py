"""The base of the synthetic tasks: every item depends only on (seed, part, length, index), and no file is read.

Each task defines the length of an item (that of the string to copy, of the expression, ...). Training and validation
items have lengths up to `train_len`, or in some tasks exactly `train_len`. Items of the test part have `train_len`;
further test parts have half of it, and 2, 4, ... times it up to `longest` times. `noise`: the probability that an
answer in the training and validation parts is replaced by another one, drawn uniformly; test answers are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le

from stackcli.common.seeding import generator
from stackcli.data._rows import Rows
from stackcli.data.base import UNSCORED, Data, Examples, Loaded, replace_labels

Length = Annotated[int, Ge(1), Le(100_000)]
Longest = Annotated[int, Ge(1), Le(64)]
Size = Annotated[int, Ge(1), Le(10_000_000)]
TaskSeed = Annotated[int, Ge(0), Le(2**62)]
HELD_OUT = 256  # number of items of the validation part and of each test part
PAD = "<pad>"
VERSION = 2  # raised when the same keys give other items


def test_lengths(trained: int, longest: int) -> tuple[int, ...]:
    """Returns 1/2, 1, 2, 4, ... times the trained length, up to `longest` times it; none is below 1."""
    factors = [2**i for i in range(7) if 2**i <= longest]
    return tuple(dict.fromkeys([max(1, trained // 2), *(trained * f for f in factors)]))


@dataclass(frozen=True)
class Item:
    """One sequence: its token ids, and its class or the classes of its tokens, `outputs` for each token in turn.
    `log_probs`: the log probability that the source gives to each target; empty where every answer is certain.
    `evidence`: the indices of the tokens that decide the class, where the task knows them."""

    tokens: Sequence[int] | np.ndarray
    label: int = UNSCORED
    targets: Sequence[int] | np.ndarray = ()
    tree: Sequence[int] | np.ndarray = ()
    log_probs: Sequence[float] = ()
    evidence: tuple[int, ...] = ()


class Task(Data):
    """The base class; a subclass defines `vocab` (id 0 is padding), `classes` and `item`."""

    vocab: tuple[str, ...]
    classes: tuple[str, ...]
    every = False  # whether there is an answer at every token
    outputs = 1
    causal = False
    fixed = False  # whether all training items have length `train_len`
    least = 1  # the least length of a training item, where lengths vary

    def __init__(self, *, train_len: int, longest: int, size: int, noise: float, seed: int, **own: Any) -> None:
        self.train_len, self.longest, self.size, self.noise, self.seed = train_len, longest, size, noise, seed
        self.keys = {"train_len": train_len, "longest": longest, "size": size, "noise": noise, "seed": seed, **own}

    def item(self, draw: np.random.Generator, length: int) -> Item:
        """Draws one item of this length."""
        raise NotImplementedError

    def tokens_of(self, length: int) -> int:
        """Returns the largest number of tokens of an item of this length."""
        return length

    def longest_input(self) -> int:
        return self.tokens_of(self.train_len)

    def entropy(self) -> float | None:
        """Returns the lowest mean loss that any model can reach on the test part, in nats per scored item; None if it
        is unknown."""
        return None

    def lengths(self) -> tuple[int, ...]:
        """Returns the lengths of the test parts; see `test_lengths`."""
        return test_lengths(self.train_len, self.longest)

    def check_lengths(self, *, shortest: int, trained: int, why: str) -> None:
        """Raises ValueError if an item of a test part would be shorter than `shortest`, or one of the training part
        shorter than `trained`, so that it would have no answer to score."""
        name, half = f"data={type(self).__name__.lower()}", min(self.lengths())
        longer = max(trained, 2 * shortest)
        if self.train_len < trained:
            least = longer if self.longest > 1 else trained
            raise ValueError(f"{name} needs data.train_len of at least {least}, not {self.train_len}: {why}")
        if self.longest > 1 and half < shortest:
            raise ValueError(
                f"{name}: with data.train_len={self.train_len} there is a test part of half that length, {half}, which "
                f"is too short: {why}; data.train_len must be at least {longer}, or write data.longest=1"
            )

    def fingerprint(self) -> str:
        return sha256(repr((type(self).__name__, VERSION, sorted(self.keys.items()))).encode()).hexdigest()

    def load(self) -> Loaded:
        counts = {"train": self.size, "val": HELD_OUT, "test": HELD_OUT}
        parts = {name: self.part(name, n, None if name != "test" else self.train_len) for name, n in counts.items()}
        longer = tuple((n, self.part("test", HELD_OUT, n)) for n in self.lengths()) if self.longest > 1 else ()
        reach = max(self.train_len, *self.lengths()) if longer else self.train_len
        return Loaded(
            train=parts["train"],
            val=parts["val"],
            test=parts["test"],
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
        """Draws `count` items of one length; with None, of lengths from `least` to `train_len`, or of `train_len`."""
        rows: dict[str, list[np.ndarray]] = {"tokens": [], "targets": [], "trees": []}
        labels, log_probs, evidence = list[int](), list[tuple[float, ...]](), list[tuple[int, ...]]()
        known = name == "test" and self.entropy() is not None
        for index in range(count):
            item = self.numbered_item(name, index, length)
            found = (item.tokens, self.add_noise(name, index, item.targets), item.tree)
            for several, row in zip(rows.values(), found, strict=True):
                several += [np.asarray(row, dtype=np.int32)] if len(row) else []
            labels += self.add_noise(name, index, [] if len(item.targets) else [item.label])
            log_probs += [self.log_probs(item)] if known else []
            evidence += [item.evidence] if item.evidence else []
        packed: dict[str, Any] = {key: Rows.of(several) for key, several in rows.items() if several}
        return Examples(
            **packed,
            labels=tuple(labels),
            texts=("",) * count,
            log_probs=tuple(log_probs),
            evidence=tuple(evidence),
        )

    def numbered_item(self, name: str, index: int, length: int | None) -> Item:
        """Draws item number `index` of a part."""
        draw = generator("task", type(self).__name__, self.seed, name, length or 0, index // self.pair)
        n = length or (self.train_len if self.fixed else int(draw.integers(self.least, self.train_len + 1)))
        return self.partner(self.item(draw, n), index % self.pair)

    def log_probs(self, item: Item) -> tuple[float, ...]:
        """Returns the log probability of each target of a test item under the source; 0 where it is certain."""
        return tuple(map(float, item.log_probs)) or (0.0,) * max(1, len(item.targets))

    def add_noise(self, part: str, index: int, answers: Sequence[int] | np.ndarray) -> tuple[int, ...]:
        """Returns the answers of an item, some of them replaced; those of a test item are never replaced."""
        noise = 0.0 if part == "test" else self.noise
        return replace_labels(
            [int(a) for a in answers], len(self.classes), noise, type(self).__name__, self.seed, part, index
        )

    pair = 1  # number of items that belong together: the first is drawn, the others follow from it

    def partner(self, item: Item, which: int) -> Item:
        """Returns item number `which` of those that belong together, given the first of them."""
        return item
