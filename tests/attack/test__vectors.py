"""What the attacks on token vectors share: batches, and perturbations as long as their texts."""

import pytest
import torch

from stackcli.attack._vectors import AT_ONCE
from stackcli.attack.base import Case, Norm, Sample
from stackcli.attack.fgm import Fgm
from tests.attack.examples import WORDS, attacked, right_cases


def test_in_many_batches_every_text_gets_what_it_gets_alone() -> None:
    victim = attacked()
    words = [WORDS[i % 20 : i % 20 + 1 + i % 5] for i in range(AT_ONCE + 7)]
    cases = [Case(Sample(tuple(text)), i % 3) for i, text in enumerate(words)]
    (found,) = Fgm(of="margin").run(victim, cases, [0.5])
    assert victim.queries == len(cases) == len(found)
    for one, attempt in list(zip(cases, found, strict=True))[::9]:
        alone = Fgm(of="margin").run(victim, [one], [0.5])[0][0].sample.added
        assert attempt.sample.tokens == one.sample.tokens
        assert attempt.sample.added is not None and alone is not None and len(alone) == len(one.sample.tokens)
        torch.testing.assert_close(attempt.sample.added, alone, rtol=0, atol=1e-10)


def test_what_is_added_is_what_the_stack_reads() -> None:
    """Added to the vectors by hand, it gives the logits that the victim answers."""
    victim = attacked()
    cases = right_cases(victim)
    samples = [attempt.sample for attempt in Fgm().run(victim, cases, [1.0])[0]]
    for sample, logits in zip(samples, victim.logits(samples), strict=True):
        assert sample.added is not None
        alone = victim.model(torch.tensor([victim.ids(sample)]), added=sample.added[None])[0]
        torch.testing.assert_close(logits, alone, rtol=0, atol=1e-10)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_control_has_the_norm_in_a_random_direction_and_asks_nothing(norm: Norm) -> None:
    victim = attacked()
    cases = right_cases(victim)
    small, large = Fgm(norm=norm).draw(victim, cases, [0.1, 2.0])
    assert victim.queries == 0
    for one, a, b in zip(cases, small, large, strict=True):
        assert a.added is not None and b.added is not None and a.added.shape == (len(one.sample.tokens), 16)
        size = b.added.norm() if norm == "l2" else b.added.abs().max()
        assert float(size) == pytest.approx(2.0, abs=1e-12)
        torch.testing.assert_close(20 * a.added, b.added, rtol=0, atol=1e-12)
    first, second = (sample.added for sample in small[:2])
    assert first is not None and second is not None and not torch.equal(first[:5], second[:5])
