"""1,797 real handwritten digits, 8 x 8 pixels of 17 grey levels, read row by row as 64 tokens (Alpaydin, Kaynak 1998).

    input  0 0 5 13 9 1 0 0 | 0 0 13 15 10 15 5 0 | ...   (64 tokens)
    answer 0

With `upsample=2` each pixel becomes 2 x 2 pixels, and a picture 256 tokens; with 4, 1,024 tokens:

    input  0 0 0 0 5 5 13 13 9 9 1 1 0 0 0 0 | 0 0 0 0 5 5 13 13 9 9 1 1 0 0 0 0 | 0 0 0 0 13 13 ...
    answer 0

The order of the pixels is the picture: a model that does not see positions sees a histogram of grey levels.
"""

from hashlib import sha256
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le

from stackcli.data import _tokens as words
from stackcli.data.base import Data, Examples, Loaded, Noise, TrainSize, choose_kept, replace_labels

SIDE = 8  # pixels


class Digits(Data):
    """The test part of the UCI data set, installed with scikit-learn. Token 0 is padding; grey level g is token g + 1.

    `upsample`: each pixel becomes a square of that many pixels a side (nearest neighbour), so that a picture has
    64 * upsample² tokens; the parts, their labels and their noise do not depend on it. `max_len`: number of tokens
    that are kept, row by row; 0: all. `size`: number of training pictures, see `choose_kept`; `noise`: share of wrong
    training and validation labels, see `replace_labels`.
    """

    def __init__(
        self,
        *,
        upsample: Annotated[int, Ge(1), Le(16)] = 1,
        max_len: Annotated[int, Ge(0), Le(100_000)] = 0,
        size: TrainSize = 0,
        noise: Noise = 0.0,
    ) -> None:
        whole = (SIDE * upsample) ** 2
        self.upsample, self.max_len, self.size, self.noise = upsample, min(max_len or whole, whole), size, noise

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
            parts[words.choose_part(name_of(row[0]))].append(row)
        train = parts["train"]
        chosen = choose_kept([name_of(row) for row, _ in train], [label for _, label in train], self.size)
        parts["train"] = [train[i] for i in chosen]
        done: dict[str, Any] = {
            name: Examples(
                tuple(self._tokens(row) for row, _ in rows),
                tuple(self._label(row, label, name) for row, label in rows),
                ("",) * len(rows),
            )
            for name, rows in parts.items()
        }
        vocab = ("<pad>", *map(str, range(17)))
        return Loaded(**done, vocab=vocab, classes=tuple("0123456789"), max_len=self.max_len, text=False)

    def _tokens(self, row: tuple[int, ...]) -> tuple[int, ...]:
        pixels = np.array(row).reshape(SIDE, SIDE)
        larger = pixels.repeat(self.upsample, axis=0).repeat(self.upsample, axis=1)
        return tuple(larger.ravel()[: self.max_len].tolist())

    def _label(self, row: tuple[int, ...], label: int, part: str) -> int:
        return replace_labels([label], 10, 0.0 if part == "test" else self.noise, name_of(row))[0]


def name_of(row: tuple[int, ...]) -> str:
    """Returns a picture as text, for choices that depend on its content."""
    return " ".join(map(str, row))
