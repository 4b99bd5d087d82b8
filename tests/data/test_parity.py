"""Every sequence counted again."""

import pytest

from stackcli.data.parity import Parity
from tests.data.oracle import classed, every_part, load


def test_the_answer_is_the_parity_of_the_ones() -> None:
    loaded = load("parity", longest=2)
    for part in every_part(loaded):
        rows = classed(loaded, part)
        assert all(answer == ("odd" if tokens.count("1") % 2 else "even") for tokens, answer in rows)
        assert 0.3 < sum(part.labels) / len(part) < 0.7


@pytest.mark.parametrize(
    ("text", "label"), [("0", 0), ("1", 1), ("1 1", 0), ("0 1 1 0 1", 1), ("0 0 0", 0), ("1 1 1 1", 0), ("", 0)]
)
def test_every_changed_input_has_a_class(text: str, label: int) -> None:
    data = Parity()
    ids = [data.vocab.index(token) for token in text.split()]
    assert data.knows_classes and data.true_class(ids, 0) == data.true_class(ids, 1) == label


def test_the_class_of_an_unchanged_input_is_its_own() -> None:
    loaded = load("parity", longest=2)
    for part in every_part(loaded):
        assert [Parity().true_class(list(map(int, t)), 0) for t in part.tokens] == list(part.labels)
