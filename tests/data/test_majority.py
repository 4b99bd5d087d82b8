"""Every answer, counted again, and the share of wrong labels."""

from collections import Counter

import pytest

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
