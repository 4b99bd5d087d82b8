"""Words before the text: it ends as it was, and stands at later positions."""

import pytest
import torch

from stackcli.attack.base import Case, Sample
from stackcli.attack.prefix import Prefix
from tests.attack.examples import LONGEST, WORDS, attacked, case, counted_rows, right_cases, task


def test_the_text_is_the_end_of_the_result_and_k_words_stand_before_it() -> None:
    victim = attacked()
    cases = right_cases(victim)
    for budget in [1.0, 3.0, 12.0, 0.5]:
        found, drawn = Prefix().run(victim, cases, [budget])[0], Prefix().draw(victim, cases, [budget])[0]
        for one, sample in zip(cases * 2, [a.sample for a in found] + drawn, strict=True):
            n = len(one.sample.tokens)
            more = int(budget) if budget >= 1 else int(budget * n)
            assert sample.tokens[more:] == one.sample.tokens and len(sample.tokens) == n + more
        assert all(set(sample.tokens) <= set(WORDS) for sample in drawn)


@pytest.mark.parametrize("budget", [LONGEST - 6, LONGEST - 5, 1000])
def test_no_more_words_are_added_than_the_stack_reads(budget: int) -> None:
    victim = attacked()
    cases = right_cases(victim, ["what is the energy of light"])
    for sample in [Prefix().run(victim, cases, [budget])[0][0].sample, Prefix().draw(victim, cases, [budget])[0][0]]:
        assert len(sample.tokens) == (LONGEST if budget == LONGEST - 6 else 6)
        assert sample.tokens[-6:] == cases[0].sample.tokens


def test_the_worst_beginning_is_chosen() -> None:
    victim = attacked()
    for one in right_cases(victim):
        with counted_rows(victim.model) as rows:
            found = Prefix(tries=5).run(victim, [one], [3])[0][0]
        assert sum(rows) == found.queries == 5
        margins = {}
        for start in ["please read this", "here is one", "this is the", "think about it", "now try to"]:
            tokens = (*start.split(), *one.sample.tokens)
            logits = victim.model(torch.tensor([[i for token in tokens for i in victim.read([token])[0]]]))[0].tolist()
            true = logits.pop(one.label)
            margins[tokens] = max(logits) - true
        assert margins[found.sample.tokens] == pytest.approx(max(margins.values()), abs=1e-10)


def test_in_a_task_the_words_are_its_tokens_and_the_input_keeps_a_class() -> None:
    victim = task("order")
    cases = [case("x1 0 x2 1", 1), case("1 0", 0)]
    found, drawn = Prefix(tries=30).run(victim, cases, [2])[0], Prefix().draw(victim, cases, [2])[0]
    for one, sample in zip(cases * 2, [a.sample for a in found] + drawn, strict=True):
        assert sample.tokens[2:] == one.sample.tokens and set(sample.tokens) <= set(victim.words)
        assert victim.true_class(sample, one.label) == one.label


def test_a_text_that_is_shifted_already_has_less_room() -> None:
    victim = attacked()
    start = Case(Sample(("light",), first=LONGEST - 4), 0)
    assert len(Prefix().run(victim, [start], [3])[0][0].sample.tokens) == 4
    assert Prefix().run(victim, [start], [4])[0][0].sample == start.sample
