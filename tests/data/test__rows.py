"""Rows that are views of one array, compared with separate rows."""

import pickle

import numpy as np
import pytest

from stackcli.data._rows import Rows, count
from stackcli.data.base import Examples
from stackcli.data.text import windows

LISTS = [(5, 6, 7), (), (8,), (1, 2, 3, 4)]
VALUES = np.arange(100, dtype=np.uint8)


def padded(rows: list[tuple[int, ...]], width: int, fill: int) -> list[list[int]]:
    return [[*row, *[fill] * width][:width] for row in rows]


@pytest.mark.parametrize("width", [1, 3, 6])
def test_a_grid_is_the_rows_padded_and_cut(width: int) -> None:
    for picked in ([0, 1, 2, 3], [3, 0], [1]):
        grid = Rows.of(LISTS).grid(np.array(picked), width, -100)
        assert grid.tolist() == padded([LISTS[i] for i in picked], width, -100) and grid.dtype == np.int64


def test_windows_are_views_of_the_array() -> None:
    rows = Rows.windows(VALUES, length=7, count=14)
    assert [row.tolist() for row in rows] == [list(range(i, i + 7)) for i in range(0, 98, 7)]
    assert all(np.shares_memory(row, VALUES) for row in rows) and np.shares_memory(rows.flat(), VALUES)
    assert rows.grid(np.array([13, 2]), 9, 0).tolist() == [[*range(91, 98), 0, 0], [*range(14, 21), 0, 0]]


def test_rows_of_arrays_are_rows_of_their_numbers() -> None:
    arrays = [np.array(row, dtype=np.int32) for row in LISTS]
    assert Rows.of(arrays) == LISTS and Rows.of(arrays).values.dtype == np.int32
    assert Rows.of(arrays).grid(np.array([3, 1]), 3, 9).tolist() == [[1, 2, 3], [9, 9, 9]]


def test_rows_are_equal_to_rows_of_the_same_numbers_only() -> None:
    assert Rows.of(LISTS) == LISTS and Rows.of(LISTS) == Rows.of(LISTS) and tuple(LISTS) == Rows.of(LISTS)
    assert Rows.of(LISTS) != LISTS[:3] and Rows.of(LISTS) != [*LISTS[:3], (1, 2, 3, 5)] and Rows.of(LISTS) != 3
    assert hash(Rows.windows(VALUES, length=7, count=14)) == hash(Rows.windows(VALUES.copy(), length=7, count=14))


def test_selected_rows_are_pickled_without_the_rest_of_the_array() -> None:
    large = np.zeros(1_000_000, dtype=np.uint16)
    rows, asked = (Rows.windows(values, length=10, count=99_999) for values in (large, large[1:]))
    examples = Examples(rows, (), (), asked)
    some = examples.only([5, 99_998, 0])
    assert len(some) == 3 and [len(row) for row in some.tokens] == [10] * 3
    sent = pickle.dumps(some)
    assert len(sent) < 2000 and pickle.loads(sent) == some
    for cut in (slice(2, 9), slice(None, None, 2), slice(0, 1), slice(0, 0)):
        assert pickle.loads(pickle.dumps(rows[cut])) == rows[cut]
    assert len(pickle.dumps(rows[:100])) < 5000
    assert Rows.windows(VALUES, length=7, count=14).only([3, 1]) == [VALUES[21:28], VALUES[7:14]]
    assert len(examples.only([])) == 0


def test_tokens_and_targets_that_are_windows_of_one_array_are_pickled_with_one_copy_of_it() -> None:
    tokens = np.arange(50_000, dtype=np.uint16)
    examples = windows(tokens, 50)
    assert len(examples) == 999 and examples.targets == [range(i + 1, i + 51) for i in range(0, 49_950, 50)]
    assert np.shares_memory(examples.targets[3], tokens)
    assert np.array_equal(Rows.of(examples.targets).flat(), tokens[1:49_951])
    sent = pickle.dumps(examples)
    assert tokens.nbytes < len(sent) < tokens.nbytes + 1000 and pickle.loads(sent) == examples


def test_counting_in_steps_counts_every_number(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 9, 1000).astype(np.uint8)
    monkeypatch.setattr("stackcli.data._rows.STEP", 64)
    assert count(values, 12).tolist() == np.bincount(values, minlength=12).tolist()


def test_answers_are_counted_without_tokens_that_are_not_scored() -> None:
    asked = Examples(((1, 2), (3,)), (), (), targets=((2, -100), (0,)))
    assert asked.answers.tolist() == [2, 0] and asked.counts(3).tolist() == [1, 0, 1]
    assert Examples(((1,), (2,)), (1, 1), ("a", "b")).counts(3).tolist() == [0, 2, 0]
