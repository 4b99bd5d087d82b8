"""Attention rollout."""

import pytest
import torch

from stackcli.explain.rollout import Rollout, roll_out
from tests.explain.examples import texts


def test_later_blocks_multiply_from_the_left() -> None:
    first, second = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]]), torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    found = roll_out([first[None], second[None]])
    mixed = torch.tensor([[0.5, 0.5], [0.0, 1.0]]) @ torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    assert found[0].tolist() == mixed.tolist() == [[0.75, 0.25], [0.5, 0.5]]


@pytest.mark.parametrize("attention", ["full", "window", "linear", "sink", "softmax1", "hierarchical"])
@pytest.mark.parametrize("causal", [False, True])
def test_every_row_sums_to_1(attention: str, causal: bool) -> None:
    one = texts(attention=attention, causal=causal, pe="learned")
    rows = roll_out(one.attention())
    torch.testing.assert_close(rows.sum(-1), torch.ones_like(rows[..., 0]), rtol=0, atol=1e-12)
    found = Rollout().attribute(one).tokens
    torch.testing.assert_close(found.sum(1), torch.ones_like(found[:, 0]), rtol=0, atol=1e-12)
    assert bool((found.masked_select(~one.mask) == 0).all())


@pytest.mark.parametrize("attention", ["talking", "lowrank"])
def test_weights_that_may_be_negative_are_refused(attention: str) -> None:
    with pytest.raises(ValueError, match=f"attention={attention} may be negative"):
        Rollout().attribute(texts(attention=attention, pe="learned"))
