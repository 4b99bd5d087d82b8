"""Any text file as a language: predict the next character, or the next word.

input    T h e   e
answer   h e   e n
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from stackcli.data import _tokens as words
from stackcli.data._rows import Rows, count
from stackcli.data._source import DataError, check_encoding, content_hash, expand_home, read_blocks
from stackcli.data._task import test_lengths
from stackcli.data.base import Data, Examples, Loaded

Count = Annotated[int, Ge(1), Le(1_000_000)]
USAGE = "data=text data.path=FILE"
MARK = re.compile(r"<(?:unk|eos|bos|s|/s)>", re.IGNORECASE)  # a token each, as corpora of words mean them
STEP = 1 << 16  # characters that are cut into tokens at a time
FIRST = len(words.RESERVED)  # number of the first kind of token met


class Text(Data):
    """A file, plain or gzip, cut into windows of `train_len` tokens: the first 80 % of it trains, the next 10 %
    validate, the last 10 % test, so that no sentence stands on both sides. The vocabulary is the training part's;
    tokens rarer than `min_count` become <unk>, and so does a <unk> that stands in a file of words. Test parts of other
    lengths are the same text cut into other windows. Tokens are held once, of one or two bytes each for most files."""

    def __init__(
        self,
        *,
        path: str = "",
        unit: Literal["char", "word"] = "char",
        min_count: Count = 2,
        train_len: Annotated[int, Ge(2), Le(100_000)] = 64,
        longest: Annotated[int, Ge(1), Le(64)] = 4,
        encoding: str = "utf-8",
    ) -> None:
        self.path, self.encoding = expand_home(path), check_encoding(encoding)
        self.unit, self.min_count, self.train_len, self.longest = unit, min_count, train_len, longest

    def fingerprint(self) -> str:
        return content_hash(self.path, self.encoding, USAGE)

    def load(self) -> Loaded:
        tokens, kinds = self._numbered()
        cuts = [0, len(tokens) * 8 // 10, len(tokens) * 9 // 10, len(tokens)]
        train, val, test = (tokens[a:b] for a, b in pairwise(cuts))
        if min(map(len, (train, val, test))) <= self.train_len:
            raise DataError(
                f"{self.path}: {len(tokens):,} {self.unit}s; a tenth of them must be more than "
                f"data.train_len={self.train_len}"
            )
        seen, held_out = count(train, len(kinds)), count(tokens[cuts[1] :], len(kinds))
        vocab = vocabulary(kinds, seen, self.min_count)
        renumber(tokens, kinds, vocab)
        lengths = [n for n in test_lengths(self.train_len, self.longest) if n < len(test)]
        longer = tuple((n, windows(test, n)) for n in lengths) if self.longest > 1 else ()
        return Loaded(
            train=windows(train, self.train_len),
            val=windows(val, self.train_len),
            test=windows(test, self.train_len),
            vocab=vocab,
            classes=vocab,
            max_len=max([self.train_len, *(lengths if longer else [])]),
            text=False,
            notices=self._notices(kinds, vocab, seen, held_out),
            every=True,
            causal=True,
            longer=longer,
        )

    def _numbered(self) -> tuple[np.ndarray, dict[str, int]]:
        """The file's tokens as numbers, and the number of each kind of token, in the order in which they are met."""
        kinds = {name: i for i, name in enumerate(words.RESERVED)}
        size = sum(
            map(len, read_blocks(self.path, self.encoding, USAGE))
        )  # characters: there are no more tokens than that
        values, used = np.empty(size, dtype=np.uint8), 0
        number = number_characters if self.unit == "char" else number_words
        for found in number(read_blocks(self.path, self.encoding, USAGE), kinds):
            values = widen(values, used, len(kinds))
            values[used : used + len(found)] = found
            used += len(found)
        return values[:used], kinds

    def _notices(
        self, kinds: Mapping[str, int], vocab: Sequence[str], seen: np.ndarray, held_out: np.ndarray
    ) -> tuple[str, ...]:
        """How the file was read."""
        unit = "characters" if self.unit == "char" else "words"
        known_kinds = set(vocab) - set(words.RESERVED)
        strange = sum(int(held_out[i]) for token, i in kinds.items() if token not in known_kinds) / held_out.sum()
        read = f"read by {self.unit} as {self.encoding}: {seen.sum() + held_out.sum():,} {unit}"
        known = f"{len(vocab) - FIRST:,} kinds of the training part are known"
        said = [f"{read}; {known}; {100 * strange:.2g} % of validation and test are unknown"]
        if marked := int(seen[words.UNKNOWN] + held_out[words.UNKNOWN]):
            said.append(f"{marked:,} <unk> stand in the file, each is the unknown word")
        return tuple(said)


# ---- tokens as numbers


def number_characters(texts: Iterable[str], kinds: dict[str, int]) -> Iterator[np.ndarray]:
    """The number of every character, block by block; kinds that are met first are added to `kinds`."""
    table = np.zeros(0, dtype=np.int32)  # code point -> number, 0 where it was not met
    for text in texts:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        if not len(codes):
            continue
        table = np.pad(table, (0, max(0, int(codes.max()) + 1 - len(table))))
        for code in np.unique(codes[table[codes] == 0]).tolist():
            table[code] = kinds.setdefault(chr(code), len(kinds))
        yield table[codes]


def number_words(texts: Iterable[str], kinds: dict[str, int]) -> Iterator[np.ndarray]:
    """The same of every word."""
    for piece in between_words(texts):
        yield np.array([kinds.setdefault(token, len(kinds)) for token in tokens_of(piece)], dtype=np.int32)


def between_words(texts: Iterable[str]) -> Iterator[str]:
    """The text in pieces of at most `STEP` characters that cut no word."""
    held = ""
    for text in texts:
        held += text
        while len(held) > STEP:
            at = find_cut(held[:STEP])
            yield held[:at]
            held = held[at:]
    yield held


def find_cut(text: str) -> int:
    """Where a text may be cut: after its last white space, or where it has none after the last sign outside ASCII that
    ends a clause, as between Chinese sentences; else before the last character that is no mark of the one before."""
    places = range(len(text) - 1, 0, -1)
    space = next((i + 1 for i in places if text[i].isspace()), 0)
    ends = (i + 1 for i in places if text[i] > "\x7f" and unicodedata.category(text[i]) in ("Po", "Ps", "Pe"))
    apart = (i for i in places if not unicodedata.category(text[i]).startswith("M"))
    return space or next(ends, 0) or next(apart, len(text))


def tokens_of(text: str) -> list[str]:
    """Words, numbers, signs and marks such as <unk>, which are one token each.

    >>> tokens_of("the <unk> fell <eos>")
    ['the', '<unk>', 'fell', '<eos>']
    """
    out, at = list[str](), 0
    for mark in MARK.finditer(text):
        out += [*words.split_tokens(text[at : mark.start()]), mark[0].lower()]
        at = mark.end()
    return out + words.split_tokens(text[at:])


def widen(values: np.ndarray, used: int, kinds: int) -> np.ndarray:
    """The array, or where its numbers are too small for so many kinds a wider one with the same `used` numbers."""
    kind = np.uint8 if kinds <= 1 << 8 else np.uint16 if kinds <= 1 << 16 else np.uint32
    if values.dtype == kind:
        return values
    wider = np.empty(len(values), dtype=kind)
    wider[:used] = values[:used]
    return wider


def vocabulary(kinds: Mapping[str, int], seen: np.ndarray, min_count: int) -> tuple[str, ...]:
    """Padding, the unknown token, then the kinds seen at least `min_count` times, commonest first."""
    kept = [token for token, i in kinds.items() if i >= FIRST and seen[i] >= min_count]
    return words.RESERVED + tuple(sorted(kept, key=lambda token: (-seen[kinds[token]], token)))


def renumber(tokens: np.ndarray, kinds: Mapping[str, int], vocab: Sequence[str]) -> None:
    """Numbers of kinds become places in the vocabulary, where they stand."""
    table = np.full(len(kinds), words.UNKNOWN, dtype=tokens.dtype)
    for i, token in enumerate(vocab):
        table[kinds[token]] = i
    for start in range(0, len(tokens), STEP):
        tokens[start : start + STEP] = table[tokens[start : start + STEP]]


def windows(tokens: np.ndarray, length: int) -> Examples:
    """Whole windows, one after the other, each token asked for the next; views of the tokens."""
    count = len(range(0, len(tokens) - length, length))
    asked = Rows.windows(tokens[1:], length=length, count=count)
    return Examples(tokens=Rows.windows(tokens, length=length, count=count), labels=(), texts=(), targets=asked)
