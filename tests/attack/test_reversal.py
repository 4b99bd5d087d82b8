"""Reversed texts, and random orders beside them."""

from collections import Counter

from stackcli.attack.base import Case, Sample
from stackcli.attack.reversal import Reversal
from tests.attack.examples import TEXTS, attacked, case, right_cases, task


def test_the_tokens_are_reversed() -> None:
    victim = attacked()
    cases = right_cases(victim)
    (found,) = Reversal().run(victim, cases, [1.0])
    for text, attempt in zip(TEXTS, found, strict=True):
        tokens = text.split()
        assert list(attempt.sample.tokens) == [tokens[-1 - i] for i in range(len(tokens))] and attempt.queries == 1
    assert victim.queries == len(cases)


def test_the_control_is_a_random_order_of_the_tokens() -> None:
    victim = attacked()
    cases = right_cases(victim)
    (drawn,) = Reversal().draw(victim, cases, [1.0])
    assert all(Counter(s.tokens) == Counter(c.sample.tokens) for c, s in zip(cases, drawn, strict=True))
    assert any(s.tokens not in (c.sample.tokens, c.sample.tokens[::-1]) for c, s in zip(cases, drawn, strict=True))
    assert victim.queries == 0


def test_without_positions_nothing_is_lost() -> None:
    victim = attacked(pe="none")
    cases = right_cases(victim)
    reversed_texts = [attempt.sample for attempt in Reversal().run(victim, cases, [1.0])[0]]
    before, after = victim.logits([one.sample for one in cases]), victim.logits(reversed_texts)
    assert float((before - after).abs().max()) < 1e-10


def test_in_order_the_true_class_is_the_other_one() -> None:
    victim = task("order")
    start = case("x0 0 x1 1", 1)
    found = Reversal().run(victim, [start], [1.0])[0][0].sample
    assert victim.true_class(start.sample, 1) == 1 and victim.true_class(found, 1) == 0


def test_an_input_with_a_tree_stays() -> None:
    start = Case(Sample(("light", "is", "energy"), tree=(1, 1, 1)), 0)
    assert Reversal().run(attacked(), [start], [1.0])[0][0].sample == start.sample
    assert Reversal().draw(attacked(), [start], [1.0]) == [[start.sample]]
