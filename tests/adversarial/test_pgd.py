"""Projected gradient descent on a linear loss, whose worst perturbation is known."""

import pytest
import torch

from stackcli.adversarial.base import Norm
from stackcli.adversarial.pgd import ProjectedGradient
from tests.adversarial.examples import MASK, Linear, Small, text_norms


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_ten_steps_of_a_third_of_the_radius_stay_at_the_radius(norm: Norm) -> None:
    linear, part = Linear(), ProjectedGradient(eps=0.3, norm=norm, steps=10, step=1 / 3)
    linear.run(part)
    assert len(linear.given) == part.passes == 11
    assert all(size <= 0.3 + 1e-12 for added in linear.given for size in text_norms(added, norm))
    assert text_norms(linear.given[-1], norm) == pytest.approx([0.3] * 3, rel=1e-12)


def test_the_worst_perturbation_of_a_linear_loss_in_the_cube_is_the_corner_of_its_signs() -> None:
    linear = Linear()
    gradient = linear.run(ProjectedGradient(eps=0.3, norm="linf", steps=10, step=0.5))
    corner = 0.3 * linear.slope.detach().sign() * MASK[..., None]
    torch.testing.assert_close(linear.given[-1], corner)
    torch.testing.assert_close(gradient, corner)  # only the last pass trains the weights


def test_the_start_is_random_inside_the_ball() -> None:
    first = [Linear() for _ in range(3)]
    for linear, seed in zip(first, (0, 0, 1), strict=True):
        linear.run(ProjectedGradient(eps=0.3, steps=1), seed)
    a, b, c = (linear.given[0] for linear in first)
    assert torch.equal(a, b) and not torch.equal(a, c) and all(0 < size < 0.3 for size in text_norms(a, "l2"))


def test_the_loss_of_a_stack_is_higher_at_the_perturbation_than_without_one() -> None:
    small = Small()
    clean = float(small.loss(None).detach())
    seen: list[float] = []
    whole = small.loss

    def loss(added: torch.Tensor | None) -> torch.Tensor:
        seen.append(float((found := whole(added)).detach()))
        return found

    small.loss = loss  # type: ignore[method-assign]
    small.gradients(ProjectedGradient(eps=0.5, steps=5, step=0.3))
    assert seen[-1] > 1.5 * clean and seen[0] < seen[1] < seen[2] < seen[3]
