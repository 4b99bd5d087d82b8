"""Later positions, beside a text with padding on its left."""

import numpy as np
import pytest
import torch

from stackcli.attack.base import Case, Sample
from stackcli.attack.shift import Shift
from tests.attack.examples import LONGEST, attacked, right_cases

SAMPLES = [Sample(tuple(text.split())) for text in ("what is the energy of light 2", "atom", "please think why a leaf")]


@pytest.mark.parametrize("pe", ["learned", "sinusoidal", "relative", "rope", "t5", "xl", "fourier", "fire"])
@pytest.mark.parametrize("by", [1, 5, LONGEST - 7])
def test_a_shift_is_padding_on_the_left(pe: str, by: int) -> None:
    victim = attacked(pe=pe)
    for sample in SAMPLES:
        ids = [0] * by + list(victim.ids(sample))
        mask = torch.tensor([[False] * by + [True] * len(sample.tokens)])
        padded = victim.model(torch.tensor([ids]), mask)[0]
        (shifted,) = victim.logits([Sample(sample.tokens, first=by)])
        torch.testing.assert_close(shifted, padded, rtol=0, atol=1e-10)


@pytest.mark.parametrize("pe", ["relative", "t5", "alibi", "rope", "none"])
def test_an_encoding_of_offsets_loses_nothing(pe: str) -> None:
    victim = attacked(pe=pe)
    before = victim.logits(SAMPLES)
    for by in (1, 9, LONGEST - 7):
        after = victim.logits([Sample(sample.tokens, first=by) for sample in SAMPLES])
        assert float((after - before).abs().max()) < 1e-9


@pytest.mark.parametrize("pe", ["learned", "sinusoidal"])
def test_an_encoding_of_places_changes(pe: str) -> None:
    victim = attacked(pe=pe)
    before = victim.logits(SAMPLES)
    for by in (1, 9, LONGEST - 7):
        after = victim.logits([Sample(sample.tokens, first=by) for sample in SAMPLES])
        assert bool(((after - before).abs().amax(1) > 1e-6).all())


def test_the_worst_shift_is_chosen_of_all() -> None:
    victim = attacked(pe="learned")
    cases = right_cases(victim)
    for k in (1, 4, 16):
        for one, found in zip(cases, Shift().run(victim, cases, [k])[0], strict=True):
            margins = []
            for by in range(1, k + 1):
                pos = torch.arange(len(one.sample.tokens)) + by
                logits = victim.model(torch.tensor([victim.ids(one.sample)]), None, pos)[0].tolist()
                true = logits.pop(one.label)
                margins.append(max(logits) - true)
            assert found.sample.first == 1 + margins.index(max(margins))
            assert found.sample.tokens == one.sample.tokens and found.queries == k


def test_few_tries_are_spread_from_one_to_k() -> None:
    tried = [s.first for s in Shift(tries=4).variants(attacked(), SAMPLES[1], 22, np.random.default_rng(0))]
    assert tried == [1, 8, 15, 22]


@pytest.mark.parametrize("pe", ["learned", "rope"])
def test_no_token_stands_beyond_the_last_position(pe: str) -> None:
    victim = attacked(pe=pe)
    full = Sample(tuple(["light"] * LONGEST))
    cases = [Case(sample, 0) for sample in [*SAMPLES, full]]
    attempts, controls = Shift(tries=1000).run(victim, cases, [1000])[0], Shift().draw(victim, cases, [1000])[0]
    for sample in [*(attempt.sample for attempt in attempts), *controls]:
        assert 0 <= sample.first <= LONGEST - len(sample.tokens)
    assert [attempt.queries for attempt in attempts] == [LONGEST - 7, LONGEST - 1, LONGEST - 5, 0]
    assert attempts[3].sample == full and controls[3] == full


def test_a_budget_below_one_is_a_share_of_the_tokens() -> None:
    victim = attacked()
    (found,) = Shift().run(victim, [Case(sample, 0) for sample in SAMPLES], [0.3])
    assert [attempt.queries for attempt in found] == [2, 0, 1]
    assert [attempt.sample.first > 0 for attempt in found] == [True, False, True]
