"""Projected gradient descent: the norm after many steps, and every step by hand."""

import pytest
import torch
from torch import Tensor

from stackcli.attack.base import Norm, Objective
from stackcli.attack.fgm import Fgm
from stackcli.attack.pgd import Pgd
from tests.attack.examples import attacked, right_cases, slopes


def shorten(x: Tensor, most: float) -> Tensor:
    """A vector, cut to a length."""
    return x if float(x.norm()) <= most else x * (most / float(x.norm()))


def test_ten_steps_of_a_tenth_stay_within_three_tenths_of_the_original() -> None:
    texts = slopes(6, 4, 1)
    added, queries = Pgd(steps=10, step=1 / 3).perturb(texts, 0.3)
    assert added.flatten(1).norm(dim=1).tolist() == pytest.approx([0.3] * 3, abs=1e-12)
    assert bool((added[~texts.mask] == 0).all())
    assert queries == texts.asked == 10


def test_a_projection_around_the_step_before_would_allow_a_norm_of_one() -> None:
    g = slopes(6).slope[0]
    right = wrong = torch.zeros_like(g)
    for _ in range(10):
        right = shorten(right + 0.1 * g / g.norm(), 0.3)
        wrong = wrong + shorten(0.1 * g / g.norm(), 0.3)
    assert float(wrong.norm()) == pytest.approx(1.0, abs=1e-12)
    torch.testing.assert_close(Pgd(steps=10, step=1 / 3).perturb(slopes(6), 0.3)[0][0], right, rtol=0, atol=1e-12)


def test_in_the_largest_norm_no_number_moves_by_more_than_eps() -> None:
    texts = slopes(6, 4)
    added, _ = Pgd(steps=10, step=1 / 3, norm="linf").perturb(texts, 0.3)
    torch.testing.assert_close(added, 0.3 * texts.slope.sign(), rtol=0, atol=1e-12)


def test_steps_that_do_not_reach_the_edge_add_up() -> None:
    texts = slopes(6)
    added, _ = Pgd(steps=2, step=0.25).perturb(texts, 0.4)
    torch.testing.assert_close(added[0], 0.2 * texts.slope[0] / texts.slope[0].norm(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("of", ["loss", "margin"])
def test_one_whole_step_is_the_fast_gradient_method(norm: Norm, of: Objective) -> None:
    victim = attacked()
    cases = right_cases(victim)
    one = Pgd(steps=1, step=1.0, norm=norm, of=of).run(victim, cases, [0.1, 1.0])
    for steps, fast in zip(one, Fgm(norm=norm, of=of).run(victim, cases, [0.1, 1.0]), strict=True):
        for a, b in zip(steps, fast, strict=True):
            assert a.sample.added is not None and b.sample.added is not None
            torch.testing.assert_close(a.sample.added, b.sample.added, rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_in_a_stack_every_step_follows_the_gradient_where_it_is(norm: Norm) -> None:
    victim = attacked()
    cases = right_cases(victim)
    (found,) = Pgd(steps=4, step=0.5, norm=norm).run(victim, cases, [2.0])
    for one, attempt in zip(cases, found, strict=True):
        ids = torch.tensor([victim.ids(one.sample)])
        added = torch.zeros(ids.shape[1], 16, dtype=torch.float64)
        for _ in range(4):
            here = added.clone().requires_grad_()
            logits = victim.model(ids, added=here[None])[0]
            (g,) = torch.autograd.grad(logits.exp().sum().log() - logits[one.label], here)
            added = shorten(added + g / g.norm(), 2.0) if norm == "l2" else (added + g.sign()).clamp(-2.0, 2.0)
        assert attempt.sample.added is not None
        torch.testing.assert_close(attempt.sample.added, added, rtol=0, atol=1e-9)
