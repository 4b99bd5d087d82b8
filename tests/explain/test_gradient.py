"""Gradient x input."""

import torch

from stackcli.explain.gradient import Gradient
from tests.explain.examples import Function


def test_of_a_linear_function_each_token_has_its_own_term_and_words_are_told_from_positions() -> None:
    weights = torch.tensor([[1.0, 2.0], [3.0, -4.0]], dtype=torch.float64)
    found = Gradient().attribute(Function(lambda x: (weights * x).sum(), [[1, 1], [2, 0]], [[0, 1], [0, 5]]))
    assert found.words.tolist() == [[3.0, 6.0]]
    assert found.positions is not None and found.positions.tolist() == [[2.0, -20.0]]
    assert found.tokens.tolist() == [[5.0, -14.0]] and found.error is None


def test_a_saturated_function_has_no_gradient() -> None:
    found = Gradient().attribute(Function(lambda x: 1 - (1 - x).relu().sum(), [[2.0]], [[0.0]]))
    assert found.tokens.tolist() == [[0.0]]
