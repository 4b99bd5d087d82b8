"""Any text file as a language: predict the next character, or the next word.

input    T h e   e
answer   h e   e n
"""

from hashlib import sha256
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from stackcli import text as words
from stackcli.data._task import test_lengths
from stackcli.data.base import Data, DataError, Examples, Loaded, decode, read_bytes

Count = Annotated[int, Ge(1), Le(1_000_000)]


class Text(Data):
    """UTF-8 text cut into windows of `train_len` tokens: the first 80 % of it trains, the next 10 % validate, the last
    10 % test, so that no sentence stands on both sides. The vocabulary is the training part's; tokens rarer than
    `min_count` become <unk>. Test parts of other lengths are the same text cut into other windows."""

    def __init__(
        self,
        *,
        path: str = "",
        unit: Literal["char", "word"] = "char",
        min_count: Count = 2,
        train_len: Annotated[int, Ge(2), Le(100_000)] = 64,
        longest: Annotated[int, Ge(1), Le(64)] = 4,
    ) -> None:
        self.path, self.unit, self.min_count, self.train_len, self.longest = path, unit, min_count, train_len, longest

    def fingerprint(self) -> str:
        return sha256(read_bytes(self.path)).hexdigest()

    def load(self) -> Loaded:
        content = decode(read_bytes(self.path), self.path)
        tokens = list(content) if self.unit == "char" else words.tokens(content)
        cuts = [0, len(tokens) * 8 // 10, len(tokens) * 9 // 10, len(tokens)]
        parts = {name: tokens[a:b] for name, a, b in zip(("train", "val", "test"), cuts, cuts[1:], strict=False)}
        short = min(map(len, parts.values()))
        if short <= self.train_len:
            raise DataError(
                f"{self.path}: {len(tokens):,} {self.unit}s; a tenth of them must be more than "
                f"data.train_len={self.train_len}"
            )
        vocab = words.vocabulary([parts["train"]], self.min_count)
        ids = {token: i for i, token in enumerate(vocab)}
        coded = {name: [ids.get(token, words.UNKNOWN) for token in part] for name, part in parts.items()}
        lengths = [n for n in test_lengths(self.train_len, self.longest) if n < len(coded["test"])]
        done: dict[str, Any] = {name: windows(part, self.train_len) for name, part in coded.items()}
        longer = tuple((n, windows(coded["test"], n)) for n in lengths) if self.longest > 1 else ()
        reach = max([self.train_len, *(lengths if longer else [])])
        return Loaded(
            **done, vocab=vocab, classes=vocab, max_len=reach, text=False, every=True, causal=True, longer=longer
        )


def windows(tokens: list[int], length: int) -> Examples:
    """Whole windows, one after the other, each token asked for the next."""
    starts = range(0, len(tokens) - length, length)
    return Examples(
        tokens=tuple(tuple(tokens[s : s + length]) for s in starts),
        labels=(),
        texts=("",) * len(starts),
        targets=tuple(tuple(tokens[s + 1 : s + length + 1]) for s in starts),
    )
