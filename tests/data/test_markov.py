"""The entropy of the source, from its definition and from its tokens."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from stackcli.data.base import UNSCORED
from stackcli.data.markov import Markov
from tests.data.oracle import every_part, load, named


def test_the_answer_is_the_next_token_where_its_context_is_known() -> None:
    loaded = load("markov", order=3, longest=2)
    for part in every_part(loaded):
        for tokens, asked in named(loaded, part):
            assert asked[:2] == [None, None] and asked[2:-1] == tokens[3:] and asked[-1] is not None


@pytest.mark.parametrize("order", [1, 2, 3])
def test_tokens_follow_the_table_of_probabilities_and_have_its_entropy(order: int) -> None:
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


def test_each_target_has_the_probability_that_the_source_gives_it() -> None:
    """Enumerated from the sequence itself: the probability of the next token in its context, `order` tokens back."""
    source = Markov(letters=3, order=2, size=1, train_len=9, longest=4, seed=5)
    loaded = source.load()
    for part in (loaded.test, *(part for _, part in loaded.longer)):
        total, count = 0.0, 0
        for tokens, targets, given in zip(part.tokens, part.targets, part.log_probs, strict=True):
            for t, (target, found) in enumerate(zip(targets, given, strict=True)):
                if t == 0:
                    assert target == UNSCORED and found == 0.0
                    continue
                row = source.rows[3 * (tokens[t - 1] - 1) + tokens[t] - 1]
                assert math.isclose(found, math.log(row[target]))
                total, count = total - math.log(row[target]), count + 1
        assert part.source_loss is not None and math.isclose(part.source_loss, total / count)


def test_the_sources_loss_on_many_items_is_its_entropy() -> None:
    part = Markov(train_len=64, longest=1).part("test", 2000, 64)
    means = np.array([-sum(row) / 63 for row in part.log_probs])
    assert part.source_loss is not None and math.isclose(part.source_loss, means.mean())
    assert abs(means.mean() - Markov().entropy()) < 4 * means.std() / 2000**0.5


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
