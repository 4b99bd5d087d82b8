"""Items that write an answer to a source, worked out by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from stackcli.data._rewrite import Rewrite
from stackcli.data._task import PAD
from stackcli.data.base import UNSCORED
from stackcli.data.copy import Copy
from stackcli.data.sort import Sort


class Known(Rewrite):
    """The source is always `a b`, its answer always `c`."""

    vocab = (PAD, ":", ";", "a", "b", "c")
    classes = vocab

    def pair_of(self, draw: np.random.Generator, length: int) -> tuple[Sequence[str], Sequence[str]]:
        return "ab", "c"


def test_an_item_is_source_and_answer_and_only_the_answer_and_its_end_are_scored() -> None:
    item = Known(train_len=2, longest=1, size=1, noise=0.0, seed=0).item(np.random.default_rng(0), 2)
    assert item.tokens == [3, 4, 1, 5]  # a b : c
    assert item.targets == [UNSCORED, UNSCORED, 5, 2]  # the targets of `:` and `c` are `c` and `;`


@pytest.mark.parametrize(
    ("train_len", "longest", "expected"),
    [(10, 4, (5, 10, 15, 20, 40)), (1, 2, (1, 2)), (3, 1, (1, 3, 4)), (2, 2, (1, 2, 3, 4))],
)
def test_test_lengths_include_one_and_a_half_times_the_trained_length(
    train_len: int, longest: int, expected: tuple[int, ...]
) -> None:
    assert Copy(train_len=train_len, longest=longest).lengths() == expected


def test_an_item_of_letters_has_a_source_of_its_length_and_the_announced_number_of_tokens() -> None:
    task = Sort(letters=3)
    for length in (1, 2, 7):
        item = task.item(np.random.default_rng(length), length)
        names = [task.vocab[token] for token in item.tokens]
        assert names.index(":") == length and len(names) == task.tokens_of(length) == 2 * length + 1
        assert set(names) <= {":", "x0", "x1", "x2"}
