"""What all attacks share: budgets, queries, and that neither the stack nor the other texts matter."""

import copy
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

import pytest
import torch

from stackcli.attack.base import ROUNDING, Attack, Attempt, Case, Sample, choose_largest, count_changes, stream
from stackcli.common import registry
from stackcli.diagnostics.attacked_stack import AttackedStack
from tests.attack.examples import (
    LONGEST,
    TEXTS,
    VOCAB,
    WORDS,
    Bag,
    attacked,
    case,
    count_differences,
    counted_rows,
    is_subsequence,
    random_stack,
    read,
    right_cases,
    task,
)

NAMES = registry.part_names("attack")
SEARCHED_ONCE = ("deletion", "homoglyph", "hotflip", "insertion", "substitution", "swap", "typo")
BUDGETS = [1.0, 3.0, 0.5]
ADDED = ("fgm", "pgd")


def build(name: str, **keys: Any) -> Attack:
    method: Attack = registry.build_part("attack", name, **keys)
    return method


def size(name: str, before: Sample, after: Sample) -> float:
    """How much of its budget an input has used, counted by the definition of each attack."""
    a, b = before.tokens, after.tokens
    if name in ADDED:
        assert a == b and after.added is not None
        return float(after.added.norm())
    assert after.added is None and (name == "shift" or after.first == before.first)
    if name == "shift":
        assert a == b
        return after.first - before.first
    if name == "deletion":
        assert is_subsequence(b, a)
        return len(a) - len(b)
    if name in ("insertion", "prefix", "suffix"):
        assert is_subsequence(a, b)
        return len(b) - len(a)
    if name in ("windows", "reversal"):
        assert sorted(a) == sorted(b)
        assert len(set(a)) == len(a)
        return max(abs(b.index(token) - place) for place, token in enumerate(a))
    return count_differences(a, b)


def most(name: str, budget: float, tokens: int) -> float:
    """How much an attack may use of a text."""
    if name == "reversal":
        return tokens
    if name in ADDED:
        return budget + 1e-12
    share = int(budget) if budget >= 1 else int(budget * tokens + 1e-9)
    return share if name in ("shift", "prefix", "suffix") else min(tokens, share)


def same(a: Sample, b: Sample) -> None:
    """Two inputs are the same, up to rounding of what is added."""
    assert (a.tokens, a.first, a.tree, a.added is None) == (b.tokens, b.first, b.tree, b.added is None)
    if a.added is not None and b.added is not None:
        torch.testing.assert_close(a.added, b.added, rtol=0, atol=1e-10)


def spent(name: str, found: Sequence[Sequence[Attempt]], budgets: Sequence[float]) -> int:
    """The queries that the attempts report: of one search for all budgets those of the largest."""
    if name in SEARCHED_ONCE:
        return sum(max(attempts, key=lambda a: a.queries).queries for attempts in zip(*found, strict=True))
    return sum(attempt.queries for attempts in found for attempt in attempts)


@pytest.mark.parametrize("name", NAMES)
def test_every_text_that_passes_through_the_stack_is_a_query(name: str) -> None:
    victim = attacked()
    cases = right_cases(victim)
    with counted_rows(victim.model) as rows:
        found = build(name).run(victim, cases, BUDGETS)
    assert sum(rows) == victim.queries == spent(name, found, BUDGETS) > 0


@pytest.mark.parametrize("name", NAMES)
def test_neither_the_attack_nor_the_control_uses_more_than_the_budget(name: str) -> None:
    victim = attacked()
    cases = right_cases(victim)
    found = build(name).run(victim, cases, BUDGETS)
    victim.queries = 0
    with counted_rows(victim.model) as rows:
        drawn = build(name).draw(victim, cases, BUDGETS)
    assert rows == [] and victim.queries == 0
    for budget, attempts, controls in zip(BUDGETS, found, drawn, strict=True):
        assert len(attempts) == len(controls) == len(cases)
        for one, sample in zip(cases * 2, [a.sample for a in attempts] + controls, strict=True):
            assert size(name, one.sample, sample) <= most(name, budget, len(one.sample.tokens))
    used = [size(name, one.sample, s) for controls in drawn for one, s in zip(cases, controls, strict=True)]
    assert max(used) > 0  # the control changes something


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", [True, False])
def test_the_stack_keeps_its_mode_its_weights_and_its_gradients(name: str, mode: bool) -> None:
    model = random_stack(dropout=0.5).train(mode)
    model.blocks[0].train(not mode)
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    victim = attacked(model)
    cases = right_cases(victim)
    build(name).run(victim, cases, [1.0])
    build(name).draw(victim, cases, [1.0])
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(x, before[key]) for key, x in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert not any(module.training for module in victim.model.modules())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_attack_again_gives_the_same_even_with_dropout(name: str) -> None:
    model = random_stack(dropout=0.5, attention_dropout=0.5, layer_drop=0.5).train()
    results = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        victim = attacked(model)
        cases = right_cases(victim)
        method = build(name)
        attempts = method.run(victim, cases, BUDGETS)
        results.append((attempts, method.draw(victim, cases, BUDGETS)))
    (first, drawn), (second, again) = results
    for a, b in zip(chain(*first), chain(*second), strict=True):
        same(a.sample, b.sample)
        assert a.queries == b.queries
    for x, y in zip(chain(*drawn), chain(*again), strict=True):
        same(x, y)


@pytest.mark.parametrize("name", NAMES)
def test_a_text_alone_gets_what_it_gets_in_a_batch(name: str) -> None:
    victim, method = attacked(), build(name)
    cases = right_cases(victim)
    together, drawn = method.run(victim, cases, BUDGETS), method.draw(victim, cases, BUDGETS)
    for i, one in enumerate(cases):
        alone, control = method.run(victim, [one], BUDGETS), method.draw(victim, [one], BUDGETS)
        for j in range(len(BUDGETS)):
            same(alone[j][0].sample, together[j][i].sample)
            assert alone[j][0].queries == together[j][i].queries
            same(control[j][0], drawn[j][i])


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_larger_than_the_text_is_cut(name: str) -> None:
    victim, method = attacked(), build(name)
    cases = right_cases(victim)
    (found,), (drawn,) = method.run(victim, cases, [1000.0]), method.draw(victim, cases, [1000.0])
    for one, sample in zip(cases * 2, [a.sample for a in found] + drawn, strict=True):
        assert size(name, one.sample, sample) <= most(name, 1000.0, len(one.sample.tokens))
        assert 0 < len(sample.tokens) + sample.first <= LONGEST


@pytest.mark.parametrize("name", NAMES)
def test_without_cases_there_is_nothing(name: str) -> None:
    victim, method = attacked(), build(name)
    assert method.run(victim, [], BUDGETS) == [[], [], []]
    assert method.draw(victim, [], BUDGETS) == [[], [], []]
    assert victim.queries == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["atom", "a", "2", "zzz", "水"])
def test_a_text_of_one_token_can_be_attacked(name: str, text: str) -> None:
    victim, method = attacked(), build(name)
    cases = right_cases(victim, [text])
    found, drawn = method.run(victim, cases, BUDGETS), method.draw(victim, cases, BUDGETS)
    for budget, (attempt,), (control,) in zip(BUDGETS, found, drawn, strict=True):
        for sample in (attempt.sample, control):
            assert size(name, cases[0].sample, sample) <= most(name, budget, 1)
    assert victim.queries == spent(name, found, BUDGETS)


@pytest.mark.parametrize("name", NAMES)
def test_what_an_attack_may_change_is_what_it_says(name: str) -> None:
    victim, method = attacked(), build(name)
    cases = right_cases(victim)
    (found,) = method.run(victim, cases, [2.0])
    for one, sample in zip(cases, (a.sample for a in found), strict=True):
        assert (sample.added is not None) == (method.changes == "vectors")
        assert (sample.first != one.sample.first) <= (method.changes == "positions")
        assert (sample.tokens != one.sample.tokens) <= (method.changes in ("tokens", "letters"))
        assert (len(sample.tokens) != len(one.sample.tokens)) <= (not method.keeps_length)


class Watched(AttackedStack):
    """A victim that remembers the texts and the margins that it was asked for."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(random_stack(**changes), VOCAB, read, longest=LONGEST, words=True)
        self.said: list[tuple[Sample, float]] = []

    def margins(self, samples: Sequence[Sample], labels: Sequence[int]) -> torch.Tensor:
        found = super().margins(samples, labels)
        self.said += list(zip(samples, found.tolist(), strict=True))
        return found


@pytest.mark.parametrize("name", [name for name in NAMES if not registry.load_part("attack", name).gradients])
def test_of_all_inputs_tried_the_one_kept_has_the_largest_margin(name: str) -> None:
    victim = Watched()
    for one in right_cases(victim):
        victim.said = []
        ((found,),) = build(name).run(victim, [one], [2.0])
        if victim.said:
            assert found.sample in [
                sample for sample, m in victim.said if m >= max(m for _, m in victim.said) - ROUNDING
            ]


@pytest.mark.parametrize("name", SEARCHED_ONCE)
def test_a_larger_budget_never_does_less(name: str) -> None:
    victim = attacked()
    cases = right_cases(victim)
    margins = []
    for attempts in [[Attempt(c.sample, 0) for c in cases], *build(name).run(victim, cases, [1, 2, 3, 5])]:
        margins.append(victim.margins([a.sample for a in attempts], [c.label for c in cases]))
    assert all(bool((b >= a - 1e-10).all()) for a, b in pairwise(margins))


@pytest.mark.parametrize("name", [*SEARCHED_ONCE, "shift"])
def test_a_budget_of_which_no_token_is_left_changes_nothing(name: str) -> None:
    victim = attacked()
    cases = right_cases(victim)
    (found,), (drawn,) = build(name).run(victim, cases, [0.01]), build(name).draw(victim, cases, [0.01])
    assert [a.sample for a in found] == drawn == [one.sample for one in cases]


@pytest.mark.parametrize("name", [name for name in NAMES if not registry.load_part("attack", name).needs_words])
@pytest.mark.parametrize("data", ["order", "majority", "parity"])
def test_of_a_task_every_input_has_a_class(name: str, data: str) -> None:
    victim, method = task(data), build(name)
    texts = {"order": "x0 1 x1 0 x2", "majority": "x0 x1 x1 x2 x1 x3", "parity": "0 1 1 0 1"}
    if name == "windows":
        texts["order"] = "1 x0 x1 x2 0"
    label = {"order": 0, "majority": 1, "parity": 1}[data]
    cases = [Case(Sample(tuple(texts[data].split())), label)]
    assert victim.true_class(cases[0].sample, label) == label
    found, drawn = method.run(victim, cases, [1.0, 2.0]), method.draw(victim, cases, [1.0, 2.0])
    for sample in [*(attempts[0].sample for attempts in found), *(controls[0] for controls in drawn)]:
        assert sample.tokens and set(sample.tokens) <= set(victim.words)
        assert victim.true_class(sample, label) is not None


@pytest.mark.parametrize(
    ("budget", "tokens", "changes"),
    [
        *[(3, 14, 3), (0.2, 14, 2), (0.29, 100, 29), (0.07, 100, 7), (0.57, 100, 57), (0.1, 9, 0), (0.1, 10, 1)],
        *[(20, 14, 14), (1, 0, 0), (0.5, 0, 0), (2.9, 14, 2), (1.0, 14, 1), (1e-7, 14, 0), (0.999, 3, 2)],
    ],
)
def test_a_budget_is_a_number_or_below_one_a_share_rounded_down(budget: float, tokens: int, changes: int) -> None:
    assert count_changes(budget, tokens) == changes


def test_every_share_of_a_hundred_counts_exactly() -> None:
    assert [count_changes(k / 100, 100) for k in range(1, 100)] == list(range(1, 100))


def test_random_numbers_depend_on_the_tokens_and_the_attack() -> None:
    def drawn(name: str, text: str, *more: str) -> int:
        return int(stream(name, case(text).sample, *more).integers(2**62))

    assert drawn("swap", "please think") == drawn("swap", "please think")
    others = [drawn("typo", "please think"), drawn("swap", "please"), drawn("swap", "please think", "control")]
    assert len({drawn("swap", "please think"), *others}) == 4


def test_an_edit_that_makes_no_difference_is_not_made() -> None:
    bag = Bag(dict.fromkeys(WORDS, 0.0))
    for name in ("deletion", "swap", "typo", "insertion", "substitution", "homoglyph"):
        for (found,) in build(name).run(bag, [case(TEXTS[0])], [1, 3]):
            assert found.sample == case(TEXTS[0]).sample


@pytest.mark.parametrize("name", ["typo", "swap", "homoglyph"])
def test_an_unknown_word_that_stays_unknown_is_not_changed(name: str) -> None:
    """The stack reads the same, so that no more than rounding could speak for the change."""
    victim = attacked()
    cases = right_cases(victim, ["physics zoology", "biology zoology physics history geology", "algebra"])
    (found,) = build(name).run(victim, cases, [3])
    assert [attempt.sample for attempt in found] == [one.sample for one in cases]


@pytest.mark.parametrize("pe", ["relative", "none"])
def test_of_shifts_that_change_nothing_the_smallest_is_chosen(pe: str) -> None:
    victim = attacked(pe=pe)
    (found,) = build("shift").run(victim, right_cases(victim), [9])
    assert [attempt.sample.first for attempt in found] == [1] * len(TEXTS)


def test_of_margins_that_are_equal_but_for_rounding_the_first_is_the_largest() -> None:
    assert choose_largest(torch.tensor([0.5, 1.0, 1.0 + 1e-7, 0.9], dtype=torch.float64)) == 1
    assert choose_largest(torch.tensor([0.5, 1.0, 1.1], dtype=torch.float64)) == 2
    assert choose_largest(torch.tensor([-torch.inf, -torch.inf])) == 0


def test_a_gain_no_larger_than_rounding_is_none() -> None:
    for gain, words in [(1e-7, 2), (1e-3, 1)]:
        ((found,),) = build("deletion").run(Bag({"please": -gain, "light": 0.0}), [case("please light")], [1])
        assert len(found.sample.tokens) == words


def test_each_step_tries_edits_of_the_words_that_are_not_changed_yet() -> None:
    bag = Bag({"please": -1.0, "light": -2.0, "atom": -3.0})
    start = case("please the light atom")
    ((found,),) = build("homoglyph", tries=100_000).run(bag, [start], [4])
    letters = {"please": 6, "light": 3, "atom": 3}  # letters that look like others; o looks like two of them
    assert {word: len(build("homoglyph").edits(bag, word, stream("", start.sample))) for word in letters} == letters  # type: ignore[attr-defined]
    changes = [count_differences(start.sample.tokens, tokens) for tokens in bag.asked]
    # the bag knows none of the changed words, so those of a place are one input: 3 words, then 2, then 1
    assert changes == [0] + [1] * 3 + [2] * 2 + [3] and found.queries == bag.queries == 7
