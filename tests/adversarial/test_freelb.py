"""FreeLB: the mean gradient of all its passes."""

import pytest
import torch

from stackcli.adversarial.freelb import FreeLB
from stackcli.adversarial.none import NoPerturbation
from tests.adversarial.examples import Linear, Small, text_norms


def test_one_pass_without_a_start_is_plain_training() -> None:
    plain, free = (Small().gradients(part) for part in (NoPerturbation(), FreeLB(steps=1, start=0.0)))
    assert plain.keys() == free.keys()
    for name in plain:
        torch.testing.assert_close(free[name], plain[name], rtol=1e-12, atol=1e-15)


def test_the_gradient_is_the_mean_over_the_perturbations_that_it_went_through() -> None:
    linear, part = Linear(), FreeLB(eps=0.3, steps=4, step=0.4)
    gradient = linear.run(part)
    assert len(linear.given) == part.passes == 4
    torch.testing.assert_close(gradient, sum(linear.given) / 4)


def test_each_step_climbs_and_the_last_pass_is_on_the_boundary() -> None:
    linear = Linear()
    linear.run(FreeLB(eps=0.3, steps=6, step=0.5, start=0.0))
    sizes = [text_norms(added, "l2") for added in linear.given]
    assert sizes[0] == [0, 0, 0] and sizes[1] == pytest.approx([0.15] * 3)
    assert sizes[2] == pytest.approx([0.3] * 3) and sizes[-1] == pytest.approx([0.3] * 3)
    rises = [float((linear.slope.detach() * added).sum()) for added in linear.given]
    assert rises[0] < rises[1] < rises[2]
