"""Sequences of integers as views of one array, so that a large file is held in memory only once."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

STEP = 1 << 16  # numbers counted at a time


def count(values: np.ndarray, kinds: int) -> np.ndarray:
    """Returns how often each of 0 .. kinds - 1 occurs, (kinds,), without converting all values at once."""
    found = np.zeros(kinds, dtype=np.int64)
    for start in range(0, len(values), STEP):
        found += np.bincount(values[start : start + STEP], minlength=kinds)
    return found


class Rows(Sequence[np.ndarray]):
    """Row i is `values[starts[i] : starts[i] + lengths[i]]`, a view. Equal to any sequence of equal rows."""

    def __init__(self, values: np.ndarray, starts: np.ndarray | range, lengths: np.ndarray) -> None:
        self.values, self.starts, self.lengths = values, starts, lengths

    @classmethod
    def of(cls, rows: Sequence[Any]) -> "Rows":
        """Returns the rows of a sequence of sequences, or of arrays of one type."""
        if isinstance(rows, cls):
            return rows
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        if len(rows) and isinstance(rows[0], np.ndarray):
            return cls(np.concatenate(rows), np.cumsum(lengths) - lengths, lengths)
        values = np.fromiter(chain.from_iterable(rows), np.int32, int(lengths.sum()))
        return cls(values, np.cumsum(lengths) - lengths, lengths)

    @classmethod
    def windows(cls, values: np.ndarray, *, length: int, count: int, first: int = 0) -> "Rows":
        """Returns `count` consecutive windows of `length` numbers, from number `first` on."""
        starts = range(first, first + count * length, length)
        return cls(values, starts, np.broadcast_to(np.int64(length), count))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Rows(self.values, self.starts[index], self.lengths[index])
        start = self.starts[index]
        return self.values[start : start + self.lengths[index]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(np.array_equal(a, b) for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash((len(self), int(self.lengths.sum())))

    def only(self, rows: Iterable[int]) -> "Rows":
        """Returns the rows with these numbers."""
        at = np.fromiter(rows, np.int64)
        return Rows(self.values, self._starts(at), self.lengths[at])

    def grid(self, rows: np.ndarray, width: int, fill: int) -> np.ndarray:
        """Returns these rows as one matrix (len(rows), width), cut at `width` or filled up with `fill`."""
        inside = np.arange(width) < self.lengths[rows][:, None]
        at = self._starts(rows)[:, None] + np.arange(width)
        found = self.values[np.minimum(at, len(self.values) - 1)] if len(self.values) else np.zeros_like(at)
        return np.where(inside, found, np.int64(fill))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the array of which the rows are views, once for all rows of it, or where they are less than half of
        it the rows alone."""
        if self.values.size <= 2 * self.lengths.sum():
            if isinstance(self.starts, range) and len(self) and self.starts.step == self.lengths[0]:
                return _windows, (self.values, self.starts)
            return Rows, (self.values, self.starts, np.array(self.lengths))
        lengths = np.array(self.lengths)
        return Rows, (self.flat(), np.cumsum(lengths) - lengths, lengths)

    def flat(self) -> np.ndarray:
        """Returns all rows one after the other; a view where they follow one another in the array."""
        if isinstance(self.starts, range) and len(self) and self.starts.step == self.lengths[0]:
            return self.values[self.starts.start : self.starts.start + len(self) * self.starts.step]
        return np.concatenate([self.values[:0], *self])

    def _starts(self, rows: np.ndarray) -> np.ndarray:
        if isinstance(self.starts, range):
            return self.starts.start + self.starts.step * rows.astype(np.int64)
        found: np.ndarray = self.starts[rows]
        return found


def _windows(values: np.ndarray, starts: range) -> Rows:
    """Returns the windows that begin at `starts`, each as long as the step from one to the next."""
    return Rows.windows(values, length=starts.step, count=len(starts), first=starts.start)
