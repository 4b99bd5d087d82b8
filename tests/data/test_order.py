"""Every answer checked, and that nothing but order can give it."""

import pytest

from stackcli.data.order import Order
from tests.data.oracle import classed, every_part, load


def test_the_answer_is_which_of_the_two_comes_first() -> None:
    loaded = load("order", longest=2)
    for part in every_part(loaded):
        for tokens, answer in classed(loaded, part):
            assert tokens.count("0") == tokens.count("1") == 1
            assert answer == ("before" if tokens.index("0") < tokens.index("1") else "after")


def test_each_item_is_followed_by_its_reversal() -> None:
    loaded = load("order")
    for part in every_part(loaded):
        assert all(tuple(a) == tuple(b[::-1]) for a, b in zip(part.tokens[::2], part.tokens[1::2], strict=True))
        assert sum(part.labels) * 2 == len(part)


def test_a_length_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        Order(train_len=1)
