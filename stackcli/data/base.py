"""The interface of a data set: sequences of token ids in three parts, with a class each or a class for each token."""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le

from stackcli import text as words
from stackcli.address import address, generator
from stackcli.vectors import read

MaxLen = Annotated[int, Ge(1), Le(100_000)]
MinCount = Annotated[int, Ge(1), Le(1_000_000)]
TrainSize = Annotated[int, Ge(0), Le(10_000_000)]
Noise = Annotated[float, Ge(0), Le(1)]
LONGEST_LINE = 1_000_000  # characters
UNSCORED = -100  # the class of a token that nothing is asked about
SUFFIXES = {".tsv": "\t", ".tab": "\t"}


class DataError(ValueError):
    """The data cannot be used; the message says what, where, and what to do."""


@dataclass(frozen=True)
class Examples:
    """One part: token ids of each sequence, its class, and its text ("" where the data are no text).

    Where every token is asked about, `labels` is empty and `targets` holds the classes of each sequence's tokens, token
    by token, `UNSCORED` where nothing is asked. `trees`: the index of each token's parent, a root's being its own.
    """

    tokens: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...]
    texts: tuple[str, ...]
    targets: tuple[tuple[int, ...], ...] = ()
    trees: tuple[tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def answers(self) -> list[int]:
        """The class of everything that is asked about."""
        return list(self.labels) or [c for row in self.targets for c in row if c != UNSCORED]

    def only(self, rows: Iterable[int]) -> "Examples":
        """Some of the sequences."""
        at = list(rows)
        cut = {f.name: tuple(v[i] for i in at) for f in fields(self) if (v := getattr(self, f.name))}
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


def kept(names: Sequence[str], labels: Sequence[Any], size: int) -> list[int]:
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


def replaced(labels: Sequence[int], classes: int, noise: float, *names: str | int) -> tuple[int, ...]:
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
    """Texts and labels out of a CSV or TSV file; `subjects` and `csv` differ in the file alone. `size`: so many texts
    train, see `kept`; `noise`: share of the training and validation labels that are wrong, see `replaced`."""

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
    ) -> None:
        self.max_len, self.min_count, self.test_path = max_len, min_count, test_path
        self.vectors, self.frozen, self.size, self.noise = vectors, frozen, size, noise
        self.strip_links, self.strip_punctuation = strip_links, strip_punctuation

    def fingerprint(self) -> str:
        content = read_bytes(self.path) + (b"\0" + read_bytes(self.test_path) if self.test_path else b"")
        content += b"\0vectors\0" + read_bytes(self.vectors) if self.vectors else b""
        return sha256(content).hexdigest()

    def load(self) -> Loaded:
        rows, notices = read_table(self.path, self.text, self.label)
        rows, more = words.one_each(rows)
        notices += more
        parts: dict[str, list[tuple[str, str]]] = {"train": [], "val": [], "test": []}
        for row in rows:
            parts[words.place(row[0])].append(row)
        if self.test_path:
            notices += self._own_test(parts)
        classes = check_classes(rows, parts, self.path)
        train = parts["train"]
        names, labels = [words.normalise(text) for text, _ in train], [label for _, label in train]
        parts["train"] = [train[i] for i in kept(names, labels, self.size)]
        return self._encode(parts, classes, notices + check_trained(parts, classes, self.path))

    def _own_test(self, parts: dict[str, list[tuple[str, str]]]) -> list[str]:
        """A test file given: all of the main file trains and validates, but for texts that the test file repeats."""
        rows, notices = read_table(self.test_path, self.text, self.label)
        test, more = words.one_each(rows)
        asked = {words.normalise(text) for text, _ in test}
        train, val = parts["train"] + parts["test"], parts["val"]
        shared = sum(words.normalise(text) in asked for text, _ in train + val)
        parts["train"] = [row for row in train if words.normalise(row[0]) not in asked]
        parts["val"] = [row for row in val if words.normalise(row[0]) not in asked]
        parts["test"] = test
        notice = [f"{shared} texts stand in the test file too and are kept on its side alone"] if shared else []
        return [f"test file: {n}" for n in notices + more] + notice

    def _encode(self, parts: dict[str, list[tuple[str, str]]], classes: tuple[str, ...], notices: list[str]) -> Loaded:
        split = {name: [self._tokens(text) for text, _ in rows] for name, rows in parts.items()}
        vocab = words.vocabulary(split["train"], self.min_count)
        ids, number = {t: i for i, t in enumerate(vocab)}, {c: i for i, c in enumerate(classes)}
        cut = sum(len(t) > self.max_len for part in split.values() for t in part)
        if cut:
            notices = [*notices, f"{cut} texts longer than data.max_len={self.max_len} tokens were cut"]
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
        read_bytes(self.vectors)
        try:
            vectors, known, notices = read(self.vectors, vocab)
        except (ValueError, OSError) as error:
            raise DataError(str(error)) from None
        share = f"{known.sum():,} of {len(vocab):,} words ({100 * known.mean():.0f} %)"
        use = "frozen" if self.frozen else "trained on"
        return vectors, known, [f"{share} have a vector in {self.vectors}, {use}", *notices]

    def _label(self, text: str, label: int, classes: Sequence[str], part: str) -> int:
        wrong = 0.0 if part == "test" else self.noise
        return replaced([label], len(classes), wrong, words.normalise(text))[0]

    def _tokens(self, text: str) -> list[str]:
        return words.tokens(text, strip_links=self.strip_links, strip_punctuation=self.strip_punctuation)


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


def read_bytes(path: str) -> bytes:
    """A plain file's content. Raises DataError for anything else."""
    file = Path(path)
    if not path:
        raise DataError("data.path is not given; write data=csv data.path=FILE data.text=COLUMN data.label=COLUMN")
    if not file.exists():
        raise DataError(f"{path}: no such file")
    if file.is_dir():
        raise DataError(f"{path}: a folder, not a file")
    if not file.is_file():
        raise DataError(f"{path}: not a plain file")
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def decode(content: bytes, path: str) -> str:
    """UTF-8 text, checked line by line. Raises DataError naming the line and byte at fault."""
    if not content.strip():
        raise DataError(f"{path}: the file is empty")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{path}: UTF-16, not UTF-8; save it as UTF-8")
    if b"\0" in content:
        at = content.index(b"\0")
        line = content.count(b"\n", 0, at) + 1
        raise DataError(f"{path}: line {line} holds a NUL byte (byte {at}); a binary file?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        value = content[error.start]
        raise DataError(
            f"{path}: not UTF-8 at line {line}, byte {error.start} (0x{value:02x}); save it as UTF-8"
        ) from None
    for number, line_text in enumerate(text.split("\n"), start=1):
        if len(line_text) > LONGEST_LINE:
            raise DataError(f"{path}: line {number} has {len(line_text):,} characters, at most {LONGEST_LINE:,}")
    return text


def read_table(path: str, text: str, label: str) -> tuple[list[tuple[str, str]], list[str]]:
    """(text, label) rows of a CSV, or TSV by its ending, and notices. Raises DataError."""
    content = decode(read_bytes(path), path)
    cells = _cells(content, path, SUFFIXES.get(Path(path).suffix.lower(), ","))
    head = [name.strip() for name in next(cells, (0, []))[1]]
    missing = [f"{key}={name}" for key, name in (("data.text", text), ("data.label", label)) if name not in head]
    if missing:
        raise DataError(f"{path}: no column {' and '.join(missing)}; its columns are {', '.join(head)}")
    at_text, at_label = head.index(text), head.index(label)
    rows, bad, blank = [], [], 0
    for line, row in cells:
        if not any(cell.strip() for cell in row):
            blank += 1
        elif len(row) != len(head) or not row[at_text].strip() or not row[at_label].strip():
            bad.append(line)
        else:
            rows.append((row[at_text].strip(), row[at_label].strip()))
    if len(bad) * 10 > len(bad) + len(rows):
        raise DataError(
            f"{path}: {len(bad)} of {len(bad) + len(rows)} rows are unreadable (a cell too many or too few, or an empty"
            f" text or label), the first at line {bad[0]}; at most a tenth may be"
        )
    if not rows:
        raise DataError(f"{path}: a header and no rows")
    notices = [f"{len(bad)} unreadable rows left out, the first at line {bad[0]}"] if bad else []
    return rows, notices + ([f"{blank} blank rows left out"] if blank else [])


def _cells(content: str, path: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line at which the row starts, its cells)."""
    csv.field_size_limit(LONGEST_LINE)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{path}: the row that starts at line {line} cannot be read: {error}; an open quote?"
            ) from None
        if row is None:
            return
        yield line, row
