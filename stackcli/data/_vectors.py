"""Reads word vectors in the text formats of word2vec and GloVe: each line has a word and its numbers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from stackcli.common.wording import count_noun
from stackcli.data._source import DataError, check_kind, open_bytes
from stackcli.data._tokens import RESERVED, normalise

USAGE = "data.vectors=FILE"
LONGEST = 1 << 20  # bytes of a line
BLANKS = re.compile(r"[ \t]+")


@dataclass(frozen=True)
class Line:
    """A line of the file: its number `at`, from 1, its cells, and whether it begins with a blank."""

    at: int
    cells: list[str]
    indented: bool


@dataclass
class Passed:
    """What was skipped: the number of lines that are not UTF-8, and the ids of words that occur again."""

    unreadable: int = 0
    repeated: set[int] = field(default_factory=set)

    def notices(self, path: str) -> list[str]:
        """Returns notices of what was skipped."""
        lines = f"{path}: {count_noun(self.unreadable, 'lines that are', 'line that is')} not UTF-8 skipped"
        words = count_noun(len(self.repeated), "words occur", "word occurs")
        again = f"{path}: {words} more than once; the first vector is used"
        return [lines] * bool(self.unreadable) + [again] * bool(self.repeated)


def read_vectors(path: str, vocab: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Returns (vectors (V, D), known (V,), notices) for a vocabulary; the vector of a word that is not known is zero.

    The width is given by a first line of two whole numbers, as word2vec writes, or else by the first vector. Words are
    compared after `normalise`. The spelling of the vocabulary is preferred to others, and an earlier line to a later
    one. Raises DataError with the line that cannot be read, and for a file without any of the words.
    """
    number = {word: i for i, word in enumerate(vocab) if word not in RESERVED}
    found: dict[int, np.ndarray] = {}
    exact: set[int] = set()
    passed = Passed()
    width = 0
    for line in _lines(path, passed):
        if line.at == 1 and not line.indented and len(line.cells) == 2 and all(map(str.isdecimal, line.cells)):
            width = int(line.cells[1])
            continue
        width = width or _width(line, path)
        word = _word(line, width, path)
        place = number.get(normalise(word))
        if place is None:
            continue
        same = word == vocab[place]
        if place in exact or (place in found and not same):
            passed.repeated |= {place} if same else set()
            continue
        found[place] = _row(line, width, path)
        exact |= {place} if same else set()
    if not width:
        raise DataError(f"{path}: no vectors in it")
    if not found:
        raise DataError(f"{path}: none of the {len(number):,} words of the training texts has a vector in it")
    return *_table(found, len(vocab), width), passed.notices(path)


def _lines(path: str, passed: Passed) -> Iterator[Line]:
    """Yields the lines that are not blank. Only a line feed ends a line, as other line ends may be words."""
    with open_bytes(path, USAGE) as file:
        for at, content in enumerate(iter(lambda: file.readline(LONGEST), b""), start=1):
            if at == 1:
                check_kind(content, path)
            if len(content) == LONGEST:
                raise DataError(f"{path}: line {at} has more than {LONGEST:,} bytes: not a word and its numbers")
            try:
                text = content.decode("utf-8-sig" if at == 1 else "utf-8").rstrip(" \t\r\n")
            except UnicodeDecodeError:
                passed.unreadable += 1
                continue
            if text:
                yield Line(at, BLANKS.split(text.lstrip(" \t")), text[0] in " \t")


def _width(line: Line, path: str) -> int:
    """Returns how many numbers are at the end of a line; the first cell counts only if the word is a blank."""
    most = len(line.cells) - (not line.indented)
    width = 0
    while width < most and _is_number(line.cells[-width - 1]):
        width += 1
    if not width:
        raise DataError(f"{path}: line {line.at}: {' '.join(line.cells)[:40]!r} is not a word and its numbers")
    return width


def _word(line: Line, width: int, path: str) -> str:
    """Returns what precedes the last `width` cells: a word, several words, or nothing if the word is a blank."""
    if len(line.cells) < width + (not line.indented):
        count = len(line.cells) - (not line.indented)
        raise DataError(f"{path}: line {line.at} has {count} numbers, the first has {width}")
    return " ".join(line.cells[:-width])


def _row(line: Line, width: int, path: str) -> np.ndarray:
    try:
        row = np.array(line.cells[-width:], dtype=np.float32)
    except ValueError:
        raise DataError(f"{path}: line {line.at}: {line.cells[-width]!r} ... are not {width} numbers") from None
    if not np.isfinite(row).all():
        raise DataError(f"{path}: line {line.at} holds a number that is not finite")
    return row


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _table(found: dict[int, np.ndarray], size: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rows, known = np.zeros((size, width), dtype=np.float32), np.zeros(size, dtype=bool)
    for place, row in found.items():
        rows[place], known[place] = row, True
    return rows, known
