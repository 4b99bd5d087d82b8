"""Shuffled windows: a permutation in which no token moves far."""

from collections import Counter

import numpy as np
import pytest

from stackcli.attack.base import Case, Sample
from stackcli.attack.windows import Windows, shuffle_windows
from tests.attack.examples import WORDS, attacked, right_cases, task


def moves(before: tuple[str, ...], after: tuple[str, ...]) -> list[int]:
    """By how many places each of different tokens moves."""
    assert sorted(before) == sorted(after) and len(set(before)) == len(before)
    return [abs(after.index(token) - place) for place, token in enumerate(before)]


@pytest.mark.parametrize("k", [1, 2, 3, 5, 100])
def test_no_token_moves_by_more_than_k_places(k: int) -> None:
    victim = attacked()
    cases = right_cases(victim, [" ".join(WORDS[:20]), "what is the energy of light 2", "please think"])
    attempts, controls = Windows().run(victim, cases, [k])[0], Windows().draw(victim, cases, [k])[0]
    for one, sample in zip(cases * 2, [a.sample for a in attempts] + controls, strict=True):
        assert max(moves(one.sample.tokens, sample.tokens)) <= k
    assert max(moves(cases[0].sample.tokens, attempts[0].sample.tokens)) >= min(k, 3)


def test_a_share_counts_from_the_length_of_the_text() -> None:
    victim = attacked()
    (one,) = right_cases(victim, [" ".join(WORDS[:20])])
    (found,), (none,) = Windows().run(victim, [one], [0.15, 0.04])
    assert 2 <= max(moves(one.sample.tokens, found.sample.tokens)) <= 3
    assert none.sample == one.sample and none.queries == 0


def test_all_orders_inside_a_window_are_equally_likely() -> None:
    draw = np.random.default_rng(0)
    found = Counter(shuffle_windows(("a", "b", "c", "d", "e"), 3, draw) for _ in range(6000))
    assert len(found) == 12 and all(set(tokens[:3]) == set("abc") for tokens in found)
    assert all(abs(n - 500) < 5 * (500 * 11 / 12) ** 0.5 for n in found.values())


def test_in_order_the_true_class_of_the_new_order_counts() -> None:
    """Where 0 and 1 change places, so does the true class."""
    victim = task("order")
    start = Case(Sample(("x0", "0", "1", "x1")), 1)
    found = Windows(tries=50).run(victim, [start], [3])[0][0]
    (margin,) = victim.margins([found.sample], [1])
    logits = victim.logits([found.sample])[0]
    true = int(found.sample.tokens.index("0") < found.sample.tokens.index("1"))
    assert float(margin) == pytest.approx(float(logits[1 - true] - logits[true]), abs=1e-12)


def test_an_input_with_a_tree_stays() -> None:
    start = Case(Sample(("light", "is", "energy"), tree=(1, 1, 1)), 0)
    ((found,),) = Windows().run(attacked(), [start], [2])
    assert found.sample == start.sample and found.queries == 0
    assert Windows().draw(attacked(), [start], [2]) == [[start.sample]]
