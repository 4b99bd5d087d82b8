"""The interface of a data set: sequences of token ids in three parts, with a class each or a class for each token."""

import math
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
from stackcli.data._classes import check_classes, check_trained
from stackcli.data._cleaning import UNICODE, Clean, Cleaner, fold_characters, make_cleaner
from stackcli.data._rows import Rows, count
from stackcli.data._source import USAGE, DataError, check_encoding, expand_home, read_chunks, read_encoded
from stackcli.data._table import read_table
from stackcli.data._vectors import read_vectors as read_vectors

__all__ = [
    "UNSCORED", "Clean", "Data", "DataError", "Examples", "Loaded", "MaxLen", "MinCount", "Noise", "TextData",
    "TrainSize", "check_classes", "check_trained", "choose_kept", "read_table", "replace_labels",
]  # fmt: skip

MaxLen = Annotated[int, Ge(1), Le(100_000)]
MinCount = Annotated[int, Ge(1), Le(1_000_000)]
TrainSize = Annotated[int, Ge(0), Le(10_000_000)]
Noise = Annotated[float, Ge(0), Le(1)]
UNSCORED = -100  # the class of a token that is not scored


@dataclass(frozen=True)
class Examples:
    """One part: token ids of each sequence, its class, and its text ("" where the data are not text).

    With an answer at every token, `labels` is empty and `targets` holds the classes of each sequence's tokens,
    `UNSCORED` for a token that is not scored. `trees`: the index of each token's parent; a root is its own parent.
    `log_probs`, if the source of the data is known: the natural logarithm of the probability that it gives to each
    target or label, 0 where nothing is scored. `evidence`: the indices of the tokens of each sequence that decide its
    class, if the data know them. Rows are tuples, or views of one array (`Rows`) for large files.
    """

    tokens: Sequence[Sequence[int] | np.ndarray]
    labels: tuple[int, ...]
    texts: tuple[str, ...]
    targets: Sequence[Sequence[int] | np.ndarray] = ()
    trees: Sequence[Sequence[int] | np.ndarray] = ()
    log_probs: tuple[tuple[float, ...], ...] = ()
    evidence: Sequence[tuple[int, ...]] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def source_loss(self) -> float | None:
        """Mean loss of the data's own source on these items, in nats per scored item; None if it is unknown. A perfect
        model has this loss here. The entropy of the source is the mean over all items that could be drawn."""
        if not self.log_probs:
            return None
        return (0.0 - math.fsum(p for row in self.log_probs for p in row)) / len(self.answers)

    @property
    def answers(self) -> np.ndarray:
        """Classes of everything that is scored, in order."""
        if self.labels:
            return np.array(self.labels)
        every = Rows.of(self.targets).flat()
        if every.dtype.kind == "u":  # no room for UNSCORED
            return every
        scored: np.ndarray = every[every != UNSCORED]
        return scored

    def counts(self, classes: int) -> np.ndarray:
        """Returns how often each class is the answer, (classes,)."""
        return count(self.answers, classes)

    def only(self, rows: Iterable[int]) -> "Examples":
        """Returns the sequences with these numbers."""
        at = list(rows)
        given = {f.name: v for f in fields(self) if (v := getattr(self, f.name))}
        cut: dict[str, Any] = {
            k: v.only(at) if isinstance(v, Rows) else tuple(v[i] for i in at) for k, v in given.items()
        }
        return replace(self, **cut)


@dataclass(frozen=True)
class Loaded:
    """A data set in memory. `max_len`: the largest number of tokens; `vocab`: the name of each token id.

    `every`: whether there are answers at every token, `outputs` at each; `causal`: whether the model must not see later
    tokens; `entropy`: the lowest mean loss that any model can reach, in nats, if it is known; `longer`: test parts of
    one length each, shorter and longer than those of training.
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
    vectors: np.ndarray | None = field(default=None, compare=False)  # (V, D), of the words that are `known`
    known: np.ndarray | None = field(default=None, compare=False)  # (V,)
    frozen: bool = False  # whether the word vectors stay as they are
    treeless: str = ""  # why data that could have trees have none

    @property
    def sizes(self) -> dict[str, Any]:
        """The arguments of a model that depend on the data."""
        sizes = {"vocab": len(self.vocab), "classes": len(self.classes), "max_len": self.max_len}
        return {**sizes, "every": self.every, "outputs": self.outputs}


class Data:
    """A data set, constructed with its own keys only. `load` raises DataError for errors in the data."""

    def fingerprint(self) -> str:
        """Returns the sha256 of the content, wherever it is stored; part of the identity of a run."""
        raise NotImplementedError

    def load(self) -> Loaded:
        """Returns the three parts."""
        raise NotImplementedError

    knows_classes = False  # whether `true_class` tells how a change of the tokens alters the class

    def true_class(self, tokens: Sequence[int], label: int) -> int | None:
        """Returns the true class of a sequence of token ids that was made from one of class `label`, as far as it is
        known; None for one that has no class."""
        return label

    def longest_input(self) -> int:
        """Returns the largest number of tokens of a training sequence, as far as it is known without reading the data;
        128 if it is not."""
        return int(getattr(self, "max_len", getattr(self, "train_len", 128)))


def choose_kept(names: Sequence[str], labels: Sequence[Any], size: int) -> list[int]:
    """Returns the indices of the `size` training items that are used, in order; 0 uses all.

    Each class keeps its share. Within a class, items are chosen by a hash of their content, `names`, so that the choice
    is the same for every run and a smaller one is part of a larger one. Raises DataError for a size above the number of
    items or below that of classes.
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
    """Returns the labels, each replaced with probability `noise` by another of the `classes`, drawn uniformly from the
    random stream `names`. `UNSCORED` is never replaced. Higher noise makes every replacement that lower noise makes."""
    if not noise:
        return tuple(labels)
    draw = generator("noise", *names)
    chance, along = draw.random(len(labels)), draw.integers(1, classes, size=len(labels))
    return tuple(
        label if label == UNSCORED or u >= noise else (label + int(step)) % classes
        for label, u, step in zip(labels, chance, along, strict=True)
    )


class TextData(Data):
    """Texts and labels from a CSV, TSV or JSON lines file; `subjects` and `csv` differ only in the file.

    `size`: number of training texts, see `choose_kept`; `noise`: share of wrong training and validation labels, see
    `replace_labels`; `encoding`: that of the user's own files; `clean`: see `_cleaning.Cleaner`.
    """

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
        clean: Clean = "none",
    ) -> None:
        self.clean: Clean = clean
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
        """Uses the test file as the test part, and removes its texts from the other parts. Returns notices."""
        rows, notices = read_table(self.test_path, self.text, self.label, self.encoding)
        test, more = words.one_each(rows)
        tested = {words.normalise(text) for text, _ in test}
        train, val = parts["train"] + parts["test"], parts["val"]
        shared = sum(words.normalise(text) in tested for text, _ in train + val)
        parts["train"] = [row for row in train if words.normalise(row[0]) not in tested]
        parts["val"] = [row for row in val if words.normalise(row[0]) not in tested]
        parts["test"] = test
        repeated = count_noun(shared, "texts are", "text is")
        notice = [f"{repeated} also in the test file: left out of training and validation"] if shared else []
        return [f"test file: {n}" for n in notices + more] + notice

    def _encode(self, parts: dict[str, list[tuple[str, str]]], classes: tuple[str, ...], notices: list[str]) -> Loaded:
        vocab = self._vocabulary([text for text, _ in parts["train"]])
        split = {name: [self.read_tokens(text, vocab) for text, _ in rows] for name, rows in parts.items()}
        ids, number = {t: i for i, t in enumerate(vocab)}, {c: i for i, c in enumerate(classes)}
        cut = sum(len(t) > self.max_len for part in split.values() for t in part)
        if cut:
            notices = [
                *notices,
                f"{count_noun(cut, 'texts')} cut at data.max_len={self.max_len} tokens",
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
        changed = [*self._cleaned(parts["test"], split["test"])]
        notices = [*notices, *found, *changed, *words.unknown_notices(done["test"].tokens, self.min_count)]
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
        """Returns the word vectors, which of the words have one, and notices."""
        if not self.vectors:
            return None, None, []
        vectors, known, notices = read_vectors(self.vectors, vocab)
        share = f"{known.sum():,} of {len(vocab):,} words ({100 * known.mean():.0f} %)"
        use = "frozen" if self.frozen else "trained on"
        return vectors, known, [f"{share} have a vector in {self.vectors}, {use}", *notices]

    def _label(self, text: str, label: int, classes: Sequence[str], part: str) -> int:
        wrong = 0.0 if part == "test" else self.noise
        return replace_labels([label], len(classes), wrong, words.normalise(text))[0]

    def read_tokens(self, text: str, vocab: Sequence[str]) -> list[str]:
        """Returns the tokens of a text as a run with this vocabulary reads them, before any cut."""
        return self.clean_tokens(self._tokens(text), vocab)

    def clean_tokens(self, tokens: Sequence[str], vocab: Sequence[str]) -> list[str]:
        """Returns as many tokens, cleaned as `clean` says for a run with this vocabulary."""
        if self.clean == "none":
            return list(tokens)
        return make_cleaner(tuple(vocab), self.clean).clean(tokens)

    def _tokens(self, text: str) -> list[str]:
        text = fold_characters(text) if self.clean in UNICODE else text
        return words.split_tokens(text, strip_links=self.strip_links, strip_punctuation=self.strip_punctuation)

    def _vocabulary(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Returns the vocabulary of the training texts; spelling is not mended in it, since it says what is right."""
        split = [self._tokens(text) for text in texts]
        if self.clean in UNICODE:
            cleaner = Cleaner(tuple(dict.fromkeys(token for tokens in split for token in tokens)), "unicode")
            split = [cleaner.clean(tokens) for tokens in split]
        return words.vocabulary(split, self.min_count)

    def _cleaned(self, rows: Sequence[tuple[str, str]], split: Sequence[Sequence[str]]) -> list[str]:
        """Returns a notice of how many tokens of the test part were cleaned."""
        if self.clean == "none":
            return []
        plain = (
            words.split_tokens(t, strip_links=self.strip_links, strip_punctuation=self.strip_punctuation)
            for t, _ in rows
        )
        pairs = [pair for a, b in zip(plain, split, strict=True) for pair in zip(a, b, strict=False)]
        return [f"data.clean={self.clean}: {sum(a != b for a, b in pairs):,} of {len(pairs):,} test tokens changed"]
