"""The fast gradient method against a loop that is written without it."""

import pytest
import torch

from stackcli.adversarial.base import Norm
from stackcli.adversarial.fgm import FastGradient
from tests.adversarial.examples import MASK, Linear, Small, text_norms


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_gradient_is_that_of_the_mean_of_the_clean_loss_and_of_the_loss_one_step_up(norm: Norm) -> None:
    small = Small()
    parameters = list(small.model.parameters())
    added = torch.zeros(3, 9, 16, dtype=torch.float64, requires_grad=True)
    clean = small.hooked_loss(added)
    (slope,) = torch.autograd.grad(clean, added, retain_graph=True)
    worst = torch.zeros_like(slope)
    for i, length in enumerate(MASK.sum(1).tolist()):
        text = slope[i, :length]
        worst[i, :length] = 0.7 * (text.sign() if norm == "linf" else text / text.square().sum().sqrt())
    mean = (clean + small.hooked_loss(worst)) / 2
    expected = torch.autograd.grad(mean, parameters)
    found = small.gradients(FastGradient(eps=0.7, norm=norm))
    assert len(found) == len(parameters)
    for a, b in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_there_are_two_passes_and_the_second_is_on_the_boundary() -> None:
    linear, part = Linear(), FastGradient(eps=0.3)
    linear.run(part)
    assert len(linear.given) == part.passes == 2
    assert text_norms(linear.given[0], "l2") == [0, 0, 0]
    assert text_norms(linear.given[1], "l2") == pytest.approx([0.3] * 3, rel=1e-12)
