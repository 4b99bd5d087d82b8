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


@pytest.mark.parametrize(
    ("text", "label"),
    [
        *[("0 1", 1), ("1 0", 0), ("x0 0 x7 1 x0", 1), ("x3 1 x3 x3 0", 0)],
        *[("", None), ("0", None), ("1", None), ("x0 x1", None), ("0 0 1", None), ("0 1 1", None), ("1 0 1 0", None)],
    ],
)
def test_a_changed_input_has_a_class_where_it_has_one_0_and_one_1(text: str, label: int | None) -> None:
    data = Order()
    ids = [data.vocab.index(token) for token in text.split()]
    assert data.knows_classes and data.true_class(ids, 0) == data.true_class(ids, 1) == label


def test_the_class_of_an_unchanged_input_is_its_own() -> None:
    loaded = load("order", longest=2)
    for part in every_part(loaded):
        assert [
            Order().true_class(list(map(int, t)), 1 - c) for t, c in zip(part.tokens, part.labels, strict=True)
        ] == list(part.labels)
