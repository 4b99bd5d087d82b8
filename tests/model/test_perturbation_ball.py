"""Perturbations of token vectors: norms over the real tokens of each text, and nothing at padding."""

import math

import pytest
import torch
from torch import Tensor

from stackcli.model.perturbation_ball import Ball, Norm

NORMS: tuple[Norm, ...] = ("l2", "linf")


def texts(count: int = 3, tokens: int = 5, dim: int = 4) -> tuple[Tensor, Tensor]:
    """Numbers (B, T, D), and a mask whose rows have 5, 4, 3, ... real tokens."""
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(tokens)[None] < (tokens - torch.arange(count))[:, None]
    return torch.randn(count, tokens, dim, generator=generator, dtype=torch.float64), mask


@pytest.mark.parametrize("norm", NORMS)
def test_the_steepest_perturbation_has_the_norm_and_the_largest_product_with_the_gradient(norm: Norm) -> None:
    gradient, mask = texts()
    ball = Ball(mask, 0.7, norm)
    added = ball.steepest(gradient)
    torch.testing.assert_close(ball.sizes(added), torch.full((3,), 0.7, dtype=torch.float64))
    real = gradient * mask[..., None]
    dual = real.square().sum((1, 2)).sqrt() if norm == "l2" else real.abs().sum((1, 2))
    torch.testing.assert_close((added * gradient).sum((1, 2)), 0.7 * dual)
    assert not added[~mask].any()
    other = ball.draw(gradient, torch.Generator().manual_seed(2))
    assert ((other * gradient).sum((1, 2)) < (added * gradient).sum((1, 2))).all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_projection_is_allowed_the_same_inside_and_the_nearest_outside(norm: Norm) -> None:
    far, mask = texts()
    ball = Ball(mask, 0.5, norm)
    near = ball.project(far)
    assert (ball.sizes(near) <= 0.5 + 1e-12).all() and not near[~mask].any()
    torch.testing.assert_close(ball.project(near), near)
    distance = (ball.on_tokens(far) - near).square().sum()
    for seed in range(20):
        other = ball.project(near + 0.1 * ball.draw(far, torch.Generator().manual_seed(seed)))
        assert (ball.on_tokens(far) - other).square().sum() >= distance - 1e-12


@pytest.mark.parametrize("norm", NORMS)
def test_a_gradient_of_zero_or_not_a_number_leaves_the_text_as_it_is(norm: Norm) -> None:
    gradient, mask = texts()
    gradient[0], gradient[1, 0, 0] = 0, math.nan
    added = Ball(mask, 1.0, norm).steepest(gradient)
    assert not added[:2].any() and added[2].any()


def test_a_gradient_too_small_to_be_squared_still_has_a_direction() -> None:
    gradient, mask = texts()
    added = Ball(mask, 1.0).steepest(gradient * 1e-200)
    torch.testing.assert_close(added, Ball(mask, 1.0).steepest(gradient))


@pytest.mark.parametrize("norm", NORMS)
def test_a_text_alone_gets_what_it_gets_in_a_batch(norm: Norm) -> None:
    gradient, mask = texts()
    together = Ball(mask, torch.tensor([0.5, 1.0, 2.0]), norm).steepest(gradient)
    alone = Ball(mask[2:, :3], 2.0, norm).steepest(gradient[2:, :3])
    torch.testing.assert_close(together[2:, :3], alone)
