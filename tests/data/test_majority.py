"""Every answer, counted again, and the share of wrong labels."""

from collections import Counter

import pytest

from stackcli.data.majority import Majority
from tests.data.oracle import classed, load


def right(rows: list[tuple[list[str], str]]) -> float:
    """The share of rows whose class is their most frequent token."""
    hits = 0
    for tokens, answer in rows:
        (first, n), *others = Counter(tokens).most_common()
        assert all(m < n for _, m in others)
        hits += first == answer
    return hits / len(rows)


@pytest.mark.parametrize("noise", [0.0, 0.2, 1.0])
def test_the_answer_is_the_most_frequent_token_except_for_the_noise(noise: float) -> None:
    loaded = load("majority", noise=noise, size=4000, longest=2)
    assert abs(right(classed(loaded, loaded.train)) - (1 - noise)) < 0.02
    assert abs(right(classed(loaded, loaded.val)) - (1 - noise)) < 0.08
    assert right(classed(loaded, loaded.test)) == 1.0
    clean = load("majority", size=4000, longest=2)
    assert clean.train.tokens == loaded.train.tokens  # noise changes labels alone


@pytest.mark.parametrize(
    ("text", "label"),
    [
        *[("x0", 0), ("x3 x1 x3", 3), ("x2 x2 x1 x1 x2", 2), ("x1 x0 x2 x1", 1)],
        *[("x0 x1", None), ("x3 x3 x1 x1 x0", None), ("x0 x1 x2 x3", None), ("", None)],
    ],
)
def test_a_changed_input_has_a_class_where_one_token_is_the_most_frequent(text: str, label: int | None) -> None:
    data = Majority()
    ids = [data.vocab.index(token) for token in text.split()]
    assert data.knows_classes and data.true_class(ids, 0) == data.true_class(ids, 1) == label


def test_the_class_of_an_unchanged_input_is_its_own() -> None:
    loaded = load("majority", longest=2)
    for part in (loaded.train, loaded.test):
        assert [Majority().true_class(list(map(int, t)), 0) for t in part.tokens] == list(part.labels)
