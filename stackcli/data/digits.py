"""1,797 real handwritten digits, 8 x 8 pixels of 17 grey levels, read row by row as 64 tokens (Alpaydin, Kaynak 1998).

    input  0 0 5 13 9 1 0 0 | 0 0 13 15 10 15 5 0 | ...   (64 tokens)
    answer 0

The order of the pixels is the picture: a model that does not see positions sees a histogram of grey levels.
"""

from hashlib import sha256
from typing import Any

from stackcli import text as words
from stackcli.data.base import Data, Examples, Loaded, MaxLen


class Digits(Data):
    """scikit-learn's copy of the test part of the UCI set, installed with it. Token 0 pads; level g is token g + 1."""

    def __init__(self, *, max_len: MaxLen = 64) -> None:
        self.max_len = min(max_len, 64)

    def _rows(self) -> list[tuple[tuple[int, ...], int]]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        pixels = digits.data.astype(int) + 1
        return [(tuple(row), int(label)) for row, label in zip(pixels.tolist(), digits.target, strict=True)]

    def fingerprint(self) -> str:
        return sha256(repr(self._rows()).encode()).hexdigest()

    def load(self) -> Loaded:
        parts: dict[str, list[tuple[tuple[int, ...], int]]] = {"train": [], "val": [], "test": []}
        for row in self._rows():
            parts[words.place(" ".join(map(str, row[0])))].append(row)
        done: dict[str, Any] = {
            name: Examples(
                tuple(row[: self.max_len] for row, _ in rows), tuple(label for _, label in rows), ("",) * len(rows)
            )
            for name, rows in parts.items()
        }
        vocab = ("<pad>", *map(str, range(17)))
        return Loaded(**done, vocab=vocab, classes=tuple("0123456789"), max_len=self.max_len, text=False)
