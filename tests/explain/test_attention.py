"""Attention of the last block."""

import torch

from stackcli.explain.attention import Attention
from tests.explain.examples import texts


def test_it_is_the_mean_over_heads_and_real_queries_of_the_last_block() -> None:
    one = texts()
    last, found = one.attention()[-1], Attention().attribute(one).tokens
    for text, length in enumerate([9, 6, 3]):
        for at in range(9):
            mean = torch.stack([last[text, h, i, at] for h in range(2) for i in range(length)]).mean()
            torch.testing.assert_close(found[text, at], mean if at < length else torch.zeros_like(mean))
