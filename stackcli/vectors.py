"""Word vectors in the text formats of word2vec and GloVe: a word and its numbers on each line, split by spaces."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def read(path: str, vocab: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(vectors (V, D), known (V,)): the vectors of the words of a vocabulary, zero where the file has none. A first
    line of two whole numbers, word2vec's, is passed over; words meet in lower case. Raises ValueError naming the line.
    """
    number = {word: i for i, word in enumerate(vocab)}
    found: dict[int, np.ndarray] = {}
    width = 0
    with Path(path).open(encoding="utf-8", errors="strict") as file:
        for at, line in enumerate(file, start=1):
            word, *cells = line.rstrip().split(" ")
            if at == 1 and len(cells) == 1 and word.isdigit() and cells[0].isdigit():
                continue
            width = width or len(cells)
            if len(cells) != width or not cells:
                raise ValueError(f"{path}: line {at} has {len(cells)} numbers, the first has {width}")
            place = number.get(word.lower())
            if place is None or (place in found and word != word.lower()):
                continue
            try:
                found[place] = np.array(cells, dtype=np.float32)
            except ValueError:
                raise ValueError(f"{path}: line {at}: {cells[0]!r} ... are not {width} numbers") from None
            if not np.isfinite(found[place]).all():
                raise ValueError(f"{path}: line {at} holds a number that is not finite")
    if not width:
        raise ValueError(f"{path}: no vectors in it")
    rows, known = np.zeros((len(vocab), width), dtype=np.float32), np.zeros(len(vocab), dtype=bool)
    for place, row in found.items():
        rows[place], known[place] = row, True
    return rows, known
