"""What the parts of the group share: a random start inside the ball."""

import pytest
import torch

from stackcli.adversarial.base import Norm, random_start
from stackcli.model.perturbation_ball import Ball
from tests.adversarial.examples import MASK, generator, text_norms


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_random_start_is_inside_the_ball_and_zero_at_padding_and_depends_on_the_seed_alone(norm: Norm) -> None:
    like, ball = torch.zeros(3, 9, 4, dtype=torch.float64), Ball(MASK, 0.3, norm)
    start = random_start(like, ball, generator(5))
    assert all(0 < size < 0.3 for size in text_norms(start, norm))
    assert not start[~MASK].any() and torch.equal(start, random_start(like, ball, generator(5)))
    assert not torch.equal(start, random_start(like, ball, generator(6)))


def test_a_start_in_the_cube_is_uniform() -> None:
    like, mask = torch.zeros(1, 100, 100, dtype=torch.float64), torch.ones(1, 100, dtype=torch.bool)
    start = random_start(like, Ball(mask, 2.0, "linf"), generator()).flatten()
    quantiles = torch.quantile(start, torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9], dtype=torch.float64))
    torch.testing.assert_close(
        quantiles, torch.tensor([-1.6, -1.0, 0.0, 1.0, 1.6], dtype=torch.float64), atol=0.08, rtol=0
    )
