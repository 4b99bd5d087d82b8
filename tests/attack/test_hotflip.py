"""Flips of a bag of words, beside the search through all of them, and what a flip never does."""

import math
from itertools import combinations, product

import pytest
import torch

from stackcli.attack.base import Case, Sample
from stackcli.attack.hotflip import Hotflip, State
from tests.attack.examples import (
    WORDS,
    Bag,
    attacked,
    bag_stack,
    case,
    count_differences,
    random_weights,
    right_cases,
    task,
    tokens_of,
)

TEXT = "please light of proof number the"


def best_margin(bag: Bag, tokens: tuple[str, ...], flips: int) -> float:
    """The largest margin of all texts that differ in so many places."""
    found = -math.inf
    for places in combinations(range(len(tokens)), flips):
        for words in product(bag.words, repeat=flips):
            changed = list(tokens)
            for place, word in zip(places, words, strict=True):
                changed[place] = word
            if count_differences(tokens, changed) == flips:
                found = max(found, bag.margin(changed))
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("beam", [1, 4])
def test_in_a_bag_of_words_the_flips_are_the_best_of_all(seed: int, beam: int) -> None:
    drawn = random_weights(8, seed=seed)
    bag = Bag(dict(zip([*TEXT.split(), "leaf", "acid"], drawn.values(), strict=True)))
    start = case(TEXT)
    found = Hotflip(beam=beam).run(bag, [start], [1, 2, 3])
    for k, (attempt,) in enumerate(found, start=1):
        assert count_differences(start.sample.tokens, attempt.sample.tokens) <= k
        best = max(best_margin(bag, start.sample.tokens, flips) for flips in range(k + 1))
        assert bag.margin(attempt.sample.tokens) == pytest.approx(best, abs=1e-12)


def test_the_expected_gain_of_a_flip_is_the_difference_of_the_weights() -> None:
    bag = Bag(random_weights(10, seed=4))
    start = case("please light of please zzz")
    texts = bag.texts([start])
    gains = Hotflip().gains(bag, State(start.sample, frozenset({1}), 0.0), texts.slope[0], 0)
    for place, token in enumerate(start.sample.tokens):
        for i, word in enumerate(bag.words):
            allowed = word != token and place != 1
            gain = bag.weights[word] - bag.weights.get(token, 0.0)
            assert float(gains[place, i]) == pytest.approx(gain if allowed else -math.inf, abs=1e-12)


def test_in_a_stack_without_blocks_the_expected_gain_is_what_the_flip_brings() -> None:
    victim = attacked(bag_stack())
    (one,) = right_cases(victim, ["what is the energy"])
    texts = victim.texts([one])
    gains = Hotflip().gains(victim, State(one.sample, frozenset(), 0.0), texts.gradient(texts.nothing, "margin")[0], 0)
    before = float(victim.margins([one.sample], [one.label]))
    for place, word in product(range(4), WORDS):
        changed = list(one.sample.tokens)
        changed[place] = word
        if word != one.sample.tokens[place]:
            after = float(victim.margins([Sample(tuple(changed))], [one.label]))
            assert float(gains[place, victim.index[word]]) == pytest.approx(after - before, abs=1e-12)


def test_a_flip_never_makes_padding_an_unknown_word_or_the_same_word() -> None:
    model = bag_stack()
    with torch.no_grad():  # padding and the unknown word harm the answer more than any word
        harm = model.head.weight[1] - model.head.weight[0]
        model.embedding.weight[:2] = 100 * torch.stack([harm, -harm])
        model.embedding.weight[2:] *= 1e-3
        model.head.bias.copy_(torch.tensor([10.0, 0.0]))
    victim = attacked(model)
    start = case("what is the energy of light")
    for k, (attempt,) in enumerate(Hotflip().run(victim, [start], [1, 2, 3, 6]), start=1):
        assert set(attempt.sample.tokens) <= set(WORDS)
        assert count_differences(start.sample.tokens, attempt.sample.tokens) == min(k, 6) if k < 4 else True
    assert all(0 not in victim.ids(s) and 1 not in victim.ids(s) for s in Hotflip().draw(victim, [start], [6])[0])


def test_an_unknown_word_of_the_text_can_be_flipped() -> None:
    bag = Bag({"please": -1.0, "light": 2.0})
    ((found,),) = Hotflip().run(bag, [case("light zzz light")], [1])
    assert found.sample.tokens == ("light", "light", "light")


def test_every_flip_is_at_another_place() -> None:
    bag = Bag({"please": 0.0, "light": 1.0, "leaf": 1.0, "acid": 1.0})
    start = case("please please please please")
    for k, (attempt,) in enumerate(Hotflip(beam=8).run(bag, [start], [1, 2, 3, 4]), start=1):
        assert count_differences(start.sample.tokens, attempt.sample.tokens) == k


@pytest.mark.parametrize(("bias", "flips"), [(-0.5, 1), (-1.5, 2), (-2.5, 3), (-100.0, 4), (0.5, 0)])
def test_it_stops_at_the_first_wrong_answer(bias: float, flips: int) -> None:
    bag = Bag({"please": 0.0, "light": 1.0}, bias=bias)
    start = case("please please please please")
    ((found,),) = Hotflip().run(bag, [start], [10])
    assert count_differences(start.sample.tokens, found.sample.tokens) == flips


@pytest.mark.parametrize(("budget", "flips"), [(0.2, 2), (0.29, 4), (0.07, 0), (3, 3), (20, 14)])
def test_a_budget_below_one_is_a_share_of_the_tokens(budget: float, flips: int) -> None:
    bag, start = Bag({"please": 0.0, "light": 1.0}), case("please " * 14)
    ((found,),) = Hotflip(beam=1).run(bag, [start], [budget])
    assert count_differences(start.sample.tokens, found.sample.tokens) == flips
    ((control,),) = Hotflip().draw(bag, [start], [budget])
    assert count_differences(start.sample.tokens, control.tokens) == flips


def test_a_larger_budget_continues_the_flips_of_a_smaller_one() -> None:
    victim = attacked()
    cases = right_cases(victim)
    together = Hotflip().run(victim, cases, [1, 3, 0.5])
    for budget, found in zip([1, 3, 0.5], together, strict=True):
        (alone,) = Hotflip().run(victim, cases, [budget])
        assert tokens_of(alone) == tokens_of(found)


def test_an_input_of_order_keeps_a_class() -> None:
    victim = task("order")
    starts = right_cases(victim, ["x1 0 x2 x3 1 x0", "1 0", "x1 x2 1 0 x0", "0 x7 x7 x7 1"])
    cases = [Case(one.sample, int(one.sample.tokens.index("0") < one.sample.tokens.index("1"))) for one in starts]
    for attempts, controls in zip(
        Hotflip().run(victim, cases, [1, 3, 6]), Hotflip().draw(victim, cases, [1, 3, 6]), strict=True
    ):
        for one, sample in zip(cases * 2, [a.sample for a in attempts] + controls, strict=True):
            assert sample.tokens.count("0") == sample.tokens.count("1") == 1
            assert victim.true_class(sample, one.label) == one.label
            if len(one.sample.tokens) == 2:
                assert sample == one.sample
    assert any(sample != one.sample for one, sample in zip(cases, controls, strict=True))


def test_of_parity_the_gradient_of_the_second_flip_is_that_of_the_new_class() -> None:
    """The head alone decides, and prefers odd with every 1: after a flip the class is the other one."""
    victim = task("parity")
    start = case("0 0 0 0", 0)
    flipped = case("1 0 0 0", 0)
    texts = victim.texts([start, flipped])
    given = texts.gradient(texts.nothing, "margin")
    for row, (one, true) in enumerate([(start, 0), (flipped, 1)]):
        ids = torch.tensor([victim.ids(one.sample)])
        added = torch.zeros(1, 4, 16, dtype=torch.float64, requires_grad=True)
        logits = victim.model(ids, added=added)[0]
        (g,) = torch.autograd.grad(logits[1 - true] - logits[true], added)
        torch.testing.assert_close(given[row], g[0], rtol=0, atol=1e-10)
