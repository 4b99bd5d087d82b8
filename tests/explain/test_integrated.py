"""Integrated gradients."""

import pytest
import torch
from torch import Tensor

from stackcli.explain.integrated import Integrated, quadrature
from tests.explain.examples import Function, texts


def test_the_product_of_two_tokens_is_shared_equally_and_a_third_gets_nothing() -> None:
    found = Integrated().attribute(Function(lambda x: x[0, 0] * x[1, 0], [[3], [5], [7]], [[0], [0], [0]]))
    torch.testing.assert_close(found.tokens, torch.tensor([[7.5, 7.5, 0]], dtype=torch.float64))


def test_a_saturated_function_keeps_what_it_gained_on_the_way() -> None:
    found = Integrated(most=4096, tolerance=1e-3).attribute(
        Function(lambda x: 1 - (1 - x).relu().sum(), [[2.0]], [[0.0]])
    )
    assert found.tokens.item() == pytest.approx(1, abs=1e-3)


def test_points_are_doubled_until_the_sum_is_exact_enough_or_there_are_too_many() -> None:
    steep = Function(lambda x: (20 * (x - 1.3)).sigmoid().sum(), [[2.0]], [[0.0]])
    one = Integrated(steps=2, tolerance=1e-4).attribute(steep)
    assert (
        one.error is not None
        and one.steps is not None
        and one.steps.item() in (16, 32, 64)
        and one.error.item() <= 1e-4
    )
    few = Integrated(steps=2, most=4, tolerance=1e-9).attribute(steep)
    assert few.error is not None and few.steps is not None and few.steps.item() == 4 and few.error.item() > 1e-9


def test_the_quadrature_is_exact_for_polynomials() -> None:
    points, weights = quadrature(3)
    for power in range(6):
        assert sum(w * p**power for p, w in zip(points, weights, strict=True)) == pytest.approx(1 / (power + 1))


@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_in_a_stack_the_numbers_sum_to_the_logit_less_that_of_the_baseline(baseline: str) -> None:
    one = texts()
    found = Integrated(baseline=baseline, tolerance=0.005, most=512).attribute(one)  # type: ignore[arg-type]
    assert found.error is not None and found.error.max() <= 0.005 and found.target is not None

    def start() -> Tensor:
        words = torch.zeros_like(one.words)
        if baseline == "mean":
            words = one.model.embedding.weight[1:].mean(0).expand_as(words) * one.mask[..., None]
        return one.forward(words if baseline == "zero" else words + one.added)[:, 1]

    torch.testing.assert_close(found.target, one.logits[:, 1] - start())
    assert found.positions is not None
    assert bool(found.positions.any()) == (baseline == "zero")


def test_a_text_has_the_same_points_alone_and_beside_others() -> None:
    alone = Integrated().attribute(texts(slice(1, 2), 6)).tokens
    torch.testing.assert_close(alone[0], Integrated().attribute(texts()).tokens[1, :6], rtol=0, atol=1e-10)


def test_only_texts_whose_sum_is_not_exact_get_more_points() -> None:
    def logit(x: Tensor) -> Tensor:  # of a text whose second token is 0 it is linear
        return x[0, 0] + x[1, 0] * (20 * (x[0, 0] - 1.3)).sigmoid()

    pair = Function(logit, [[2.0], [0.0]], [[0.0], [0.0]])
    other = Function(logit, [[2.0], [1.0]], [[0.0], [0.0]])
    pair.words = torch.cat([pair.words, other.words])
    pair.added, pair.mask = pair.added.expand(2, -1, -1), pair.mask.expand(2, -1)
    found = Integrated(steps=2, tolerance=1e-4).attribute(pair)
    alone = Integrated(steps=2, tolerance=1e-4).attribute(other)
    assert found.steps is not None and alone.steps is not None
    assert found.steps[0] == 2 and found.steps[1] == alone.steps[0] > 2
    torch.testing.assert_close(found.tokens[1], alone.tokens[0], rtol=0, atol=0)
