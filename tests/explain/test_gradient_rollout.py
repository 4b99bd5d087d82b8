"""Gradient-weighted rollout."""

import pytest
import torch

from stackcli.explain.gradient_rollout import GradientRollout, roll_out_weighted
from tests.explain.examples import texts


def test_only_weights_that_speak_for_the_class_count() -> None:
    weights = torch.tensor([[[[0.5, 0.5], [1.0, 0.0]], [[0.2, 0.8], [0.0, 1.0]]]])
    grads = torch.tensor([[[[2.0, -4.0], [1.0, 1.0]], [[-5.0, 1.0], [0.0, 3.0]]]])
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0]]) / 2 + torch.tensor([[0.0, 0.8], [0.0, 3.0]]) / 2
    found = roll_out_weighted([weights, weights], [grads, grads])[0]
    once = torch.eye(2) + first
    torch.testing.assert_close(found, once + first @ once)


def test_the_gradients_are_those_of_the_logit_for_the_weights() -> None:
    one = texts(slice(0, 1), depth=1)
    (grad,), (weights,) = one.attention_gradients(), one.attention()

    def logit_with(added: float) -> float:
        moved = weights.clone()
        moved[0, 1, 4, 2] += added
        with torch.no_grad():
            return float(one.forward_through(lambda _: moved)[0, 1])

    slope = (logit_with(1e-5) - logit_with(-1e-5)) / 2e-5
    assert grad[0, 1, 4, 2].item() == pytest.approx(slope, rel=1e-6)


def test_attention_without_weights_of_all_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="attention=hierarchical has no weights"):
        GradientRollout().attribute(texts(attention="hierarchical"))
