"""The fast gradient method on linear functions, of which the best perturbation is known."""

import math

import pytest
import torch

from stackcli.attack.base import Norm, Objective
from stackcli.attack.fgm import Fgm
from tests.attack.examples import Slopes, attacked, bag_stack, right_cases, slopes


def test_on_a_linear_function_the_perturbation_lies_along_the_gradient_and_has_the_norm() -> None:
    texts = slopes(6, 4, 1)
    added, queries = Fgm(of="margin").perturb(texts, 0.7)
    for row, n in enumerate((6, 4, 1)):
        g = texts.slope[row, :n]
        length = math.sqrt(sum(x * x for x in g.flatten().tolist()))
        torch.testing.assert_close(added[row, :n], 0.7 * g / length, rtol=0, atol=1e-12)
        assert math.sqrt(sum(x * x for x in added[row].flatten().tolist())) == pytest.approx(0.7, abs=1e-12)
        assert bool((added[row, n:] == 0).all())
    assert queries == texts.asked == 1


def test_in_the_largest_norm_every_number_of_a_real_token_moves_by_eps() -> None:
    texts = slopes(6, 4, 1)
    added, _ = Fgm(norm="linf").perturb(texts, 0.7)
    assert added.tolist() == (0.7 * texts.slope.sign() * texts.mask[..., None]).tolist()


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_no_other_perturbation_of_the_norm_raises_the_margin_of_a_bag_of_words_more(norm: Norm) -> None:
    victim = attacked(bag_stack())
    (one,) = right_cases(victim, ["what is the energy of light"])
    ((found,),) = Fgm(norm=norm, of="margin").run(victim, [one], [0.5])
    label, ids = one.label, torch.tensor([victim.ids(one.sample)])

    def margin(added: torch.Tensor) -> float:
        logits = victim.model(ids, added=added[None])[0]
        return float(logits[1 - label] - logits[label])

    assert found.sample.added is not None
    best, draw = margin(found.sample.added), torch.Generator().manual_seed(0)
    for _ in range(200):
        other = torch.randn(6, 16, generator=draw, dtype=torch.float64)
        other = 0.5 * (other / other.norm() if norm == "l2" else other / other.abs().max())
        assert margin(other) < best
    head = victim.model.head.weight[1 - label] - victim.model.head.weight[label]  # the margin's slope, T times
    gain = 0.5 * (head.norm() / math.sqrt(6) if norm == "l2" else head.abs().sum())
    assert best - margin(torch.zeros(6, 16, dtype=torch.float64)) == pytest.approx(float(gain), abs=1e-12)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_gradient_of_0_leaves_the_text_as_it_is(norm: Norm) -> None:
    texts = slopes(3, 3)
    flat = Slopes(torch.stack([texts.slope[0], torch.zeros_like(texts.slope[1])]), texts.mask)
    added, _ = Fgm(norm=norm).perturb(flat, 1.0)
    assert bool(added[0].any()) and added[1].tolist() == torch.zeros(3, 5).tolist()


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("of", ["loss", "margin"])
def test_a_stack_that_answers_the_same_whatever_it_reads_is_given_the_same_input(norm: Norm, of: Objective) -> None:
    model = bag_stack(3)
    with torch.no_grad():
        model.head.weight.zero_()
    victim = attacked(model)
    ((found,),) = Fgm(norm=norm, of=of).run(victim, right_cases(victim, ["what is light"]), [1.0])
    assert found.sample.added is not None and found.sample.added.tolist() == torch.zeros(3, 16).tolist()


@pytest.mark.parametrize("of", ["loss", "margin"])
def test_in_a_stack_the_perturbation_lies_along_the_gradient_of_what_is_asked_for(of: Objective) -> None:
    victim = attacked()
    cases = right_cases(victim)
    (found,) = Fgm(of=of).run(victim, cases, [0.3])
    for one, attempt in zip(cases, found, strict=True):
        ids, true = torch.tensor([victim.ids(one.sample)]), one.label
        added = torch.zeros(1, ids.shape[1], 16, dtype=torch.float64, requires_grad=True)
        logits = victim.model(ids, added=added)[0]
        others = torch.cat([logits[:true], logits[true + 1 :]])
        goal = others.max() - logits[true] if of == "margin" else logits.exp().sum().log() - logits[true]
        (g,) = torch.autograd.grad(goal, added)
        assert attempt.sample.added is not None
        torch.testing.assert_close(attempt.sample.added, 0.3 * g[0] / g.norm(), rtol=0, atol=1e-10)
