"""The interface of a data set: sequences of token ids in three parts, with a class each or a class for each token."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le

from stackcli.common.seeding import address, generator
from stackcli.common.wording import count_noun
from stackcli.data import _tokens as words
from stackcli.data._rows import Rows, count
from stackcli.data._source import USAGE, DataError, check_encoding, expand_home, read_chunks, read_encoded
from stackcli.data._table import read_table
from stackcli.data._vectors import read_vectors as read_vectors

__all__ = [
    "UNSCORED", "Data", "DataError", "Examples", "Loaded", "MaxLen", "MinCount", "Noise", "TextData", "TrainSize",
    "check_classes", "choose_kept", "read_table", "replace_labels",
]  # fmt: skip

MaxLen = Annotated[int, Ge(1), Le(100_000)]
MinCount = Annotated[int, Ge(1), Le(1_000_000)]
TrainSize = Annotated[int, Ge(0), Le(10_000_000)]
Noise = Annotated[float, Ge(0), Le(1)]
UNSCORED = -100  # the class of a token that nothing is asked about


@dataclass(frozen=True)
class Examples:
    """One part: token ids of each sequence, its class, and its text ("" where the data are no text).

    Where every token is asked about, `labels` is empty and `targets` holds the classes of each sequence's tokens, token
    by token, `UNSCORED` where nothing is asked. `trees`: the index of each token's parent, a root's being its own.
    `log_probs`, where the source of the data is known: the natural logarithm of the probability that the source itself
    gives to each target (to the label where there is one), 0 where nothing is asked.
    Rows are tuples, or views of one array (`Rows`) where a large file is held once.
    """

    tokens: Sequence[Sequence[int] | np.ndarray]
    labels: tuple[int, ...]
    texts: tuple[str, ...]
    targets: Sequence[Sequence[int] | np.ndarray] = ()
    trees: Sequence[Sequence[int] | np.ndarray] = ()
    log_probs: tuple[tuple[float, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def source_loss(self) -> float | None:
        """Mean loss of the data's own source on these very items, nats per scored item: what a perfect model has here,
        while the source's entropy is its mean over all items that could have been drawn. None where it is not known."""
        if not self.log_probs:
            return None
        return (0.0 - math.fsum(p for row in self.log_probs for p in row)) / len(self.answers)

    @property
    def answers(self) -> np.ndarray:
        """The class of everything that is asked about, in order."""
        if self.labels:
            return np.array(self.labels)
        every = Rows.of(self.targets).flat()
        if every.dtype.kind == "u":  # no room for UNSCORED
            return every
        scored: np.ndarray = every[every != UNSCORED]
        return scored

    def counts(self, classes: int) -> np.ndarray:
        """How often each class is the answer, (classes,)."""
        return count(self.answers, classes)

    def only(self, rows: Iterable[int]) -> "Examples":
        """Some of the sequences."""
        at = list(rows)
        given = {f.name: v for f in fields(self) if (v := getattr(self, f.name))}
        cut: dict[str, Any] = {
            k: v.only(at) if isinstance(v, Rows) else tuple(v[i] for i in at) for k, v in given.items()
        }
        return replace(self, **cut)


@dataclass(frozen=True)
class Loaded:
    """A data set in memory. `max_len` bounds every position; `vocab` names each token id.

    `every`: there is an answer at every token, `outputs` of them; `causal`: an answer must not depend on later tokens,
    which the data ask of the model; `entropy`: the lowest mean loss that any model can reach, in nats, where it is
    known; `longer`: test parts of one length each, shorter and longer than the training's.
    """

    train: Examples
    val: Examples
    test: Examples
    vocab: tuple[str, ...]
    classes: tuple[str, ...]
    max_len: int
    text: bool
    notices: tuple[str, ...] = ()
    every: bool = False
    outputs: int = 1
    causal: bool = False
    entropy: float | None = None
    longer: tuple[tuple[int, Examples], ...] = ()
    vectors: np.ndarray | None = field(default=None, compare=False)  # (V, D), given for the words that are `known`
    known: np.ndarray | None = field(default=None, compare=False)  # (V,)
    frozen: bool = False  # the word vectors are not trained
    treeless: str = ""  # why data that might carry trees carry none

    @property
    def sizes(self) -> dict[str, Any]:
        """What a model must know of the data."""
        sizes = {"vocab": len(self.vocab), "classes": len(self.classes), "max_len": self.max_len}
        return {**sizes, "every": self.every, "outputs": self.outputs}


class Data:
    """Constructed with its own keys only. Errors in the data raise DataError in `load`."""

    def fingerprint(self) -> str:
        """sha256 of the content, whatever its place; part of a run's identity."""
        raise NotImplementedError

    def load(self) -> Loaded:
        """The three parts."""
        raise NotImplementedError


def choose_kept(names: Sequence[str], labels: Sequence[Any], size: int) -> list[int]:
    """Which items of the training part train where only `size` of them may (0: all may): their indices, in order.

    Class by class in proportion, within a class by a hash of the content, `names`: so the same for every run, and the
    few are among the many. Raises DataError for more than there are, and for fewer than there are classes.
    """
    classes = len(set(labels))
    if size > len(names):
        raise DataError(f"data.size={size}: the training part has {len(names)}; at most that, or 0 for all of them")
    if 0 < size < classes:
        raise DataError(f"data.size={size}: fewer than the {classes} classes; at least one of each")
    if not size:
        return list(range(len(names)))
    count, seen = Counter(labels), Counter[Any]()
    turn: dict[int, float] = {}
    for i in sorted(range(len(names)), key=lambda i: address("size", names[i])):
        turn[i] = (seen[labels[i]] + 0.5) / count[labels[i]]
        seen[labels[i]] += 1
    return sorted(sorted(turn, key=turn.__getitem__)[:size])


def replace_labels(labels: Sequence[int], classes: int, noise: float, *names: str | int) -> tuple[int, ...]:
    """The labels, each of them with probability `noise` another of the `classes`, drawn evenly at the address `names`;
    what is `UNSCORED` stays. More noise replaces what less would, and by the same."""
    if not noise:
        return tuple(labels)
    draw = generator("noise", *names)
    chance, along = draw.random(len(labels)), draw.integers(1, classes, size=len(labels))
    return tuple(
        label if label == UNSCORED or u >= noise else (label + int(step)) % classes
        for label, u, step in zip(labels, chance, along, strict=True)
    )


class TextData(Data):
    """Texts and labels out of a CSV, TSV or JSON lines file; `subjects` and `csv` differ in the file alone. `size`: so
    many texts train, see `kept`; `noise`: share of the training and validation labels that are wrong, see `replaced`;
    `encoding`: of the user's own files."""

    path: str
    text: str
    label: str

    def __init__(
        self,
        *,
        max_len: int,
        min_count: int,
        strip_links: bool,
        strip_punctuation: bool,
        test_path: str,
        vectors: str,
        frozen: bool,
        size: int,
        noise: float,
        encoding: str,
    ) -> None:
        self.max_len, self.min_count, self.test_path = max_len, min_count, expand_home(test_path)
        self.vectors, self.frozen, self.size, self.noise = expand_home(vectors), frozen, size, noise
        self.encoding = self.path_encoding = check_encoding(encoding)
        self.strip_links, self.strip_punctuation = strip_links, strip_punctuation

    def fingerprint(self) -> str:
        found = sha256()
        for block in read_encoded(self.path, self.path_encoding, USAGE):
            found.update(block)
        for block in (b"\0", *read_encoded(self.test_path, self.encoding)) if self.test_path else ():
            found.update(block)
        if self.vectors:
            for block in (b"\0vectors\0", *read_chunks(self.vectors, USAGE)):
                found.update(block)
        return found.hexdigest()

    def load(self) -> Loaded:
        rows, notices = read_table(self.path, self.text, self.label, self.path_encoding)
        rows, more = words.one_each(rows)
        notices += more
        parts: dict[str, list[tuple[str, str]]] = {"train": [], "val": [], "test": []}
        for row in rows:
            parts[words.choose_part(row[0])].append(row)
        if self.test_path:
            notices += self._own_test(parts)
        classes = check_classes(rows, parts, self.path)
        train = parts["train"]
        names, labels = [words.normalise(text) for text, _ in train], [label for _, label in train]
        parts["train"] = [train[i] for i in choose_kept(names, labels, self.size)]
        return self._encode(parts, classes, notices + check_trained(parts, classes, self.path))

    def _own_test(self, parts: dict[str, list[tuple[str, str]]]) -> list[str]:
        """A test file given: all of the main file trains and validates, but for texts that the test file repeats."""
        rows, notices = read_table(self.test_path, self.text, self.label, self.encoding)
        test, more = words.one_each(rows)
        asked = {words.normalise(text) for text, _ in test}
        train, val = parts["train"] + parts["test"], parts["val"]
        shared = sum(words.normalise(text) in asked for text, _ in train + val)
        parts["train"] = [row for row in train if words.normalise(row[0]) not in asked]
        parts["val"] = [row for row in val if words.normalise(row[0]) not in asked]
        parts["test"] = test
        held = count_noun(shared, "texts stand", "text stands")
        notice = [f"{held} in the test file too: left out of training and validation"] if shared else []
        return [f"test file: {n}" for n in notices + more] + notice

    def _encode(self, parts: dict[str, list[tuple[str, str]]], classes: tuple[str, ...], notices: list[str]) -> Loaded:
        split = {name: [self._tokens(text) for text, _ in rows] for name, rows in parts.items()}
        vocab = words.vocabulary(split["train"], self.min_count)
        ids, number = {t: i for i, t in enumerate(vocab)}, {c: i for i, c in enumerate(classes)}
        cut = sum(len(t) > self.max_len for part in split.values() for t in part)
        if cut:
            notices = [
                *notices,
                f"{count_noun(cut, 'texts')} longer than data.max_len={self.max_len} tokens, cut there",
            ]
        done: dict[str, Any] = {
            name: Examples(
                tuple(words.encode(t, ids, self.max_len) for t in split[name]),
                tuple(self._label(text, number[label], classes, name) for text, label in rows),
                tuple(text for text, _ in rows),
            )
            for name, rows in parts.items()
        }
        vectors, known, found = self._read_vectors(vocab)
        notices = [*notices, *found, *words.unknown_notices(done["test"].tokens, self.min_count)]
        return Loaded(
            **done,
            vocab=vocab,
            classes=classes,
            max_len=self.max_len,
            text=True,
            notices=tuple(notices),
            vectors=vectors,
            known=known,
            frozen=self.frozen and bool(self.vectors),
        )

    def _read_vectors(self, vocab: tuple[str, ...]) -> tuple[np.ndarray | None, np.ndarray | None, list[str]]:
        """Rows of the word vectors, which of them are known, and notices."""
        if not self.vectors:
            return None, None, []
        vectors, known, notices = read_vectors(self.vectors, vocab)
        share = f"{known.sum():,} of {len(vocab):,} words ({100 * known.mean():.0f} %)"
        use = "frozen" if self.frozen else "trained on"
        return vectors, known, [f"{share} have a vector in {self.vectors}, {use}", *notices]

    def _label(self, text: str, label: int, classes: Sequence[str], part: str) -> int:
        wrong = 0.0 if part == "test" else self.noise
        return replace_labels([label], len(classes), wrong, words.normalise(text))[0]

    def _tokens(self, text: str) -> list[str]:
        return words.split_tokens(text, strip_links=self.strip_links, strip_punctuation=self.strip_punctuation)


def check_classes(
    rows: Sequence[tuple[str, str]], parts: dict[str, list[tuple[str, str]]], path: str
) -> tuple[str, ...]:
    """The classes, numbers in the order of their values. Raises DataError where they cannot be learned or asked
    about."""
    classes = words.sort_classes(label for _, label in rows)
    if len(classes) < 2:
        raise DataError(f"{path}: only one class, {classes[0]!r}; a classifier needs two")
    if len(classes) > words.MAX_CLASSES:
        raise DataError(f"{path}: {len(classes)} classes, at most {words.MAX_CLASSES}; is data.label the right column?")
    _check_variants({*classes, *(label for _, label in parts["test"])}, path)
    if len(parts["train"]) < len(classes):
        raise DataError(f"{path}: {len(parts['train'])} training rows for {len(classes)} classes; too few")
    empty = [name for name, part in parts.items() if not part]
    if empty:
        raise DataError(f"{path}: {len(rows)} rows leave nothing for {' and '.join(empty)}; more rows are needed")
    strangers = sorted({label for _, label in parts["test"]} - set(classes))
    if strangers:
        raise DataError(f"the test file has labels that the training file lacks: {', '.join(map(repr, strangers[:5]))}")
    return classes


def _check_variants(labels: Iterable[str], path: str) -> None:
    """Raises DataError for labels that look alike; a sign that does not show is named by its code."""
    alike: dict[str, list[str]] = {}
    for label in sorted(labels):
        alike.setdefault(words.label_key(label), []).append(label)
    twins = [label for same in alike.values() if len(same) > 1 for label in same]
    if twins:
        raise DataError(
            f"{path}: labels differ in case, spaces, Unicode form or invisible signs alone: "
            f"{', '.join(map(_spell, twins))}; make them one"
        )


def _spell(label: str) -> str:
    """A label in quotes, with codes for what does not show."""
    return repr(label) if unicodedata.is_normalized("NFC", label) else ascii(label)


def check_trained(parts: dict[str, list[tuple[str, str]]], classes: Sequence[str], path: str) -> list[str]:
    """A notice for each class that held-out parts alone have. Raises DataError where one class alone trains."""
    counts = {name: Counter(label for _, label in part) for name, part in parts.items()}
    trained = [c for c in classes if counts["train"][c]]
    if len(trained) == 1:
        raise DataError(
            f"{path}: the training part has one class alone, {trained[0]!r}; more rows of others are needed"
        )
    return [
        f"class {c!r} has no training item, so its {counts['val'][c]} validation and {counts['test'][c]} test items"
        " cannot be answered"
        for c in classes
        if not counts["train"][c]
    ]
