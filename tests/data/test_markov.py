"""The source's entropy, from its definition and from what it says."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from stackcli.data.markov import Markov
from tests.data.oracle import every_part, load, named


def test_every_token_is_asked_for_the_next_where_its_context_is_known() -> None:
    loaded = load("markov", order=3, longest=2)
    for part in every_part(loaded):
        for tokens, asked in named(loaded, part):
            assert asked[:2] == [None, None] and asked[2:-1] == tokens[3:] and asked[-1] is not None


@pytest.mark.parametrize("order", [1, 2, 3])
def test_what_is_said_follows_the_table_and_has_its_entropy(order: int) -> None:
    source = Markov(letters=4, order=order, size=1, train_len=20_000, longest=1, seed=3)
    tokens = [t - 1 for t in source.part("train", 1, None).tokens[0]]
    seen: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for t in range(order, len(tokens)):
        seen[tuple(tokens[t - order : t])][tokens[t]] += 1
    loss = 0.0
    for context, counts in seen.items():
        row = source.rows[int("".join(map(str, context)), 4)]
        n = counts.total()
        if n > 500:
            assert max(abs(counts[i] / n - row[i]) for i in range(4)) < 0.07
        loss -= sum(k * math.log(row[i]) for i, k in counts.items())
    assert abs(loss / (len(tokens) - order) - source.entropy()) < 0.03


def test_an_even_source_has_the_entropy_of_its_letters() -> None:
    assert abs(Markov(letters=8, alpha=1000.0, order=1).entropy() - math.log(8)) < 0.001
    source = Markov(letters=5, order=2)
    assert abs(source.rows.sum(1) - 1).max() < 1e-12 and abs(source.contexts.sum() - 1) < 1e-12
    step = np.zeros(25)  # stationary: one more token leaves the share of each pair as it is
    for a in range(5):
        for b in range(5):
            for c in range(5):
                step[5 * b + c] += source.contexts[5 * a + b] * source.rows[5 * a + b, c]
    assert abs(step - source.contexts).max() < 1e-12


def test_too_many_contexts_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 1,000,000"):
        Markov(letters=1000, order=3)
