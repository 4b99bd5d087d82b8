"""Occlusion."""

import torch

from stackcli.explain.occlusion import Occlusion
from stackcli.model.stack import StackedAttention
from tests.explain.examples import bag, texts


def test_of_a_sum_each_token_has_its_weight() -> None:
    assert Occlusion().attribute(bag(3, 1, -2, 0.5)).tokens.tolist() == [[3.0, 1.0, -2.0, 0.5]]


def test_in_a_stack_the_other_tokens_keep_their_positions() -> None:
    one = texts(slice(0, 1), pe="rope")
    found = Occlusion().attribute(one).tokens[0]
    model: StackedAttention = one.model
    for at in (0, 4, 8):
        rest = torch.tensor([i for i in range(9) if i != at])
        without = model(one.tokens[:, rest], None, rest)[0, 1]
        torch.testing.assert_close(found[at], one.logits[0, 1] - without)
