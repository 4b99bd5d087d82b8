"""Positive controls of the scores of explanations."""

from itertools import pairwise

import pytest
import torch

from stackcli.diagnostics.explanation_controls import KnownBag, draw_weights, run_controls
from stackcli.explain.occlusion import Occlusion

MASK = torch.arange(24)[None] < torch.tensor([[24], [11], [1]])
SPREAD = torch.tensor([2.0, 0.5, 0.0], dtype=torch.float64)


def test_every_score_tells_the_perfect_explanation_from_the_random_one() -> None:
    found = run_controls(MASK, SPREAD)
    perfect, guess = found["perfect"], found["random"]
    for text in (0, 1):
        assert (
            perfect.faithfulness.deletion[text]
            < guess.faithfulness.deletion[text]
            < -perfect.faithfulness.deletion[text]
        )
        assert perfect.faithfulness.insertion[text] > guess.faithfulness.insertion[text]
        assert perfect.faithfulness.comprehensiveness[text] > guess.faithfulness.comprehensiveness[text]
        assert perfect.faithfulness.sufficiency[text] < guess.faithfulness.sufficiency[text]
        assert perfect.agreement[text] == pytest.approx(1) and abs(guess.agreement[text]) < 0.7
        assert guess.sanity[text] == pytest.approx(1) and abs(perfect.sanity[text]) < 0.7
    assert perfect.faithfulness.deletion[2] == 0  # one token: every order is alike


def test_the_perfect_order_has_the_smallest_area_that_there_is() -> None:
    mask = torch.ones(1, 9, dtype=torch.bool)
    weights = sorted(draw_weights(mask, "bag")[0].tolist(), reverse=True)
    left = [sum(weights[k:]) for k in range(10)]
    area = sum((a + b) / 2 for a, b in pairwise(left)) / 9
    found = run_controls(mask, torch.tensor([1.0], dtype=torch.float64))["perfect"].faithfulness
    whole = found.insertion - found.deletion  # random orders have no part in the difference
    scale = found.comprehensiveness.item() / sum(weights[:2])
    assert whole.item() == pytest.approx(scale * (sum(weights) - 2 * area), rel=1e-9)


def test_the_bag_is_as_uneven_as_the_texts_and_does_not_depend_on_the_batch() -> None:
    both, alone = run_controls(MASK, SPREAD), run_controls(MASK[1:2, :11], SPREAD[1:2])
    twice = run_controls(MASK[1:2, :11], 2 * SPREAD[1:2])["perfect"].faithfulness.deletion
    one = alone["perfect"].faithfulness.deletion
    assert one.item() == pytest.approx(both["perfect"].faithfulness.deletion[1].item())
    assert twice.item() == pytest.approx(2 * one.item())


def test_occlusion_of_a_bag_is_its_weights() -> None:
    bag = KnownBag(draw_weights(MASK, "bag"), MASK)
    torch.testing.assert_close(Occlusion().attribute(bag).tokens, bag.weights)
    assert bool((bag.weights[~MASK] == 0).all())
