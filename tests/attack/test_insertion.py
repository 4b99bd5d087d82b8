"""Words that are put in: the text stays in order, and what is put in is of the vocabulary."""

import numpy as np
import pytest

from stackcli.attack.insertion import Insertion
from tests.attack.examples import LONGEST, WORDS, Bag, attacked, case, is_subsequence, random_weights, right_cases


def test_the_text_stays_and_at_most_k_words_of_the_vocabulary_are_new() -> None:
    victim = attacked()
    cases = right_cases(victim)
    budgets = [1.0, 2.0, 5.0, 0.5]
    attempts, controls = Insertion().run(victim, cases, budgets), Insertion().draw(victim, cases, budgets)
    for budget, found, drawn in zip(budgets, attempts, controls, strict=True):
        for one, sample in zip(cases * 2, [a.sample for a in found] + drawn, strict=True):
            tokens, n = one.sample.tokens, len(one.sample.tokens)
            assert is_subsequence(tokens, sample.tokens) and set(sample.tokens) <= set(WORDS)
            assert len(sample.tokens) - n <= min(n, budget if budget >= 1 else int(budget * n))
    assert all(len(s.tokens) == 2 * len(c.sample.tokens) for c, s in zip(cases[1:2], controls[2][1:2], strict=True))


def test_with_all_words_to_choose_from_the_worst_one_is_put_in_again_and_again() -> None:
    bag = Bag(random_weights(8))
    start, best = case("please light of"), max(bag.weights.values())
    method = Insertion(tries=100_000, choices=1000)  # so that each of the 8 words is drawn
    for k, (found,) in zip([1, 2, 3, 9], method.run(bag, [start], [1, 2, 3, 9]), strict=True):
        gained = bag.margin(found.sample.tokens) - bag.margin(start.sample.tokens)
        assert gained == pytest.approx(min(k, 3) * best, abs=1e-12)
        assert is_subsequence(start.sample.tokens, found.sample.tokens)


def test_so_many_words_are_drawn_for_each_place() -> None:
    bag = Bag(random_weights(20))
    edits = Insertion(choices=7).edits(bag, "please", np.random.default_rng(0))
    assert len(edits) == 7 and all(new in bag.words and kept == "please" for new, kept in edits)


def test_no_word_of_the_text_is_pushed_beyond_what_the_stack_reads() -> None:
    victim = attacked()
    full, nearly = (" ".join(WORDS[:n]) for n in (LONGEST, LONGEST - 2))
    cases = right_cases(victim, [full, nearly])
    controls = Insertion().draw(victim, cases, [5])[0]
    for sample in [*(attempt.sample for attempt in Insertion().run(victim, cases, [5])[0]), *controls]:
        assert len(sample.tokens) <= LONGEST
    assert [len(sample.tokens) for sample in controls] == [LONGEST, LONGEST]
    assert controls[0] == cases[0].sample
