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
MARK = re.compile(r"<(?:unk|eos|bos|s|/s)>", re.IGNORECASE)  # each is one token, as in corpora of words
STEP = 1 << 16  # characters cut into tokens at a time
FIRST = len(words.RESERVED)  # number of the first kind of token in a file


class Text(Data):
    """A file, plain or gzip, cut into windows of `train_len` tokens.

    The first 80 % of the file is the training part, the next 10 % the validation part, and the last 10 % the test part,
    so that the parts share no text. The vocabulary is that of the training part. Tokens that occur less than
    `min_count` times become <unk>, as does a <unk> in a file of words. Test parts of other lengths are the same text in
    other windows. Tokens are held in memory once, in most files with one or two bytes each.
    """

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
        """Returns the tokens of the file as numbers, and the number of each kind of token, by first occurrence."""
        kinds = {name: i for i, name in enumerate(words.RESERVED)}
        size = sum(map(len, read_blocks(self.path, self.encoding, USAGE)))  # characters, at least as many as tokens
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
        """Returns notices of how the file was read."""
        unit = "characters" if self.unit == "char" else "words"
        known_kinds = set(vocab) - set(words.RESERVED)
        unknown = sum(int(held_out[i]) for token, i in kinds.items() if token not in known_kinds) / held_out.sum()
        read = f"read by {self.unit} as {self.encoding}: {seen.sum() + held_out.sum():,} {unit}"
        known = f"{len(vocab) - FIRST:,} different {unit} of the training part are known"
        notices = [f"{read}; {known}; {100 * unknown:.2g} % of validation and test are unknown"]
        if marked := int(seen[words.UNKNOWN] + held_out[words.UNKNOWN]):
            notices.append(f"the file contains {marked:,} <unk>, each read as the unknown word")
        return tuple(notices)


# ---- tokens as numbers


def number_characters(texts: Iterable[str], kinds: dict[str, int]) -> Iterator[np.ndarray]:
    """Yields the numbers of all characters, block by block; new kinds are added to `kinds`."""
    table = np.zeros(0, dtype=np.int32)  # code point -> number, 0 for a code point that has not occurred
    for text in texts:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        if not len(codes):
            continue
        table = np.pad(table, (0, max(0, int(codes.max()) + 1 - len(table))))
        for code in np.unique(codes[table[codes] == 0]).tolist():
            table[code] = kinds.setdefault(chr(code), len(kinds))
        yield table[codes]


def number_words(texts: Iterable[str], kinds: dict[str, int]) -> Iterator[np.ndarray]:
    """Yields the numbers of all words, piece by piece; new kinds are added to `kinds`."""
    for piece in between_words(texts):
        yield np.array([kinds.setdefault(token, len(kinds)) for token in tokens_of(piece)], dtype=np.int32)


def between_words(texts: Iterable[str]) -> Iterator[str]:
    """Yields the text in pieces of at most `STEP` characters, without cutting a word."""
    rest = ""
    for text in texts:
        rest += text
        while len(rest) > STEP:
            at = find_cut(rest[:STEP])
            yield rest[:at]
            rest = rest[at:]
    yield rest


def find_cut(text: str) -> int:
    """Returns where a text can be cut: after its last white space; without any, after the last punctuation outside
    ASCII that ends a clause, as in Chinese; without any, before the last character that is not a combining mark."""
    places = range(len(text) - 1, 0, -1)
    space = next((i + 1 for i in places if text[i].isspace()), 0)
    ends = (i + 1 for i in places if text[i] > "\x7f" and unicodedata.category(text[i]) in ("Po", "Ps", "Pe"))
    apart = (i for i in places if not unicodedata.category(text[i]).startswith("M"))
    return space or next(ends, 0) or next(apart, len(text))


def tokens_of(text: str) -> list[str]:
    """Returns words, numbers, other characters, and marks such as <unk>, which are one token each.

    >>> tokens_of("the <unk> fell <eos>")
    ['the', '<unk>', 'fell', '<eos>']
    """
    out, at = list[str](), 0
    for mark in MARK.finditer(text):
        out += [*words.split_tokens(text[at : mark.start()]), mark[0].lower()]
        at = mark.end()
    return out + words.split_tokens(text[at:])


def widen(values: np.ndarray, used: int, kinds: int) -> np.ndarray:
    """Returns the array, or a wider copy of its first `used` numbers if its type is too small for so many kinds."""
    dtype = np.uint8 if kinds <= 1 << 8 else np.uint16 if kinds <= 1 << 16 else np.uint32
    if values.dtype == dtype:
        return values
    wider = np.empty(len(values), dtype=dtype)
    wider[:used] = values[:used]
    return wider


def vocabulary(kinds: Mapping[str, int], seen: np.ndarray, min_count: int) -> tuple[str, ...]:
    """Returns padding, the unknown token, then the kinds that occur at least `min_count` times, most common first."""
    kept = [token for token, i in kinds.items() if i >= FIRST and seen[i] >= min_count]
    return words.RESERVED + tuple(sorted(kept, key=lambda token: (-seen[kinds[token]], token)))


def renumber(tokens: np.ndarray, kinds: Mapping[str, int], vocab: Sequence[str]) -> None:
    """Replaces the numbers of kinds by ids of the vocabulary, in place."""
    table = np.full(len(kinds), words.UNKNOWN, dtype=tokens.dtype)
    for i, token in enumerate(vocab):
        table[kinds[token]] = i
    for start in range(0, len(tokens), STEP):
        tokens[start : start + STEP] = table[tokens[start : start + STEP]]


def windows(tokens: np.ndarray, length: int) -> Examples:
    """Returns consecutive whole windows; the target of each token is the next one. Both are views of the tokens."""
    count = len(range(0, len(tokens) - length, length))
    targets = Rows.windows(tokens, length=length, count=count, first=1)
    return Examples(tokens=Rows.windows(tokens, length=length, count=count), labels=(), texts=(), targets=targets)
