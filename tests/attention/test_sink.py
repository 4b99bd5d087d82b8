"""A learned sink for each head."""

import math

import pytest
import torch

from tests.attention import oracle
from tests.factory import padding, part, stack, tokens


@pytest.mark.parametrize("kernel", ["fused", "explicit"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_a_tokens_output_is_the_sum_over_keys_with_the_sink_in_the_denominator(
    causal: bool, padded: bool, kernel: str
) -> None:
    more = [math.exp(0.7), math.exp(-1.2)]
    oracle.check_sums("sink", math.inf, kernel=kernel, causal=causal, padded=padded, more=more, score=[0.7, -1.2])


def test_every_head_of_every_layer_has_its_own_score_and_learns_it() -> None:
    model = stack(attention=part("sink", start=0.5), depth=2)
    scores = [block.attention.pattern.sink() for block in model.stack]
    assert [s.tolist() for s in scores if s is not None] == [[0.5, 0.5]] * 2 and model.kernel == "fused"
    model(tokens(), padding([9, 5, 1], 9)).sin().sum().backward()
    assert all(s is not None and s.grad is not None and bool((s.grad.abs() > 1e-9).all()) for s in scores)


def test_a_sink_far_below_the_scores_is_full_attention_and_far_above_leaves_nothing() -> None:
    low, high = (stack(attention=part("sink", start=x), depth=1, pe="none") for x in (-60.0, 60.0))
    full = stack(attention="full", depth=1, pe="none", kernel="explicit")
    assert (low(tokens()) - full(tokens())).abs().max() < 1e-12
    x = torch.randn(1, 5, 16, dtype=torch.float64)
    _, ctx = high.enter(tokens(1, 5), None, None, None)
    out = high.stack[0].attention(x, ctx, high.pe)
    assert (out - high.stack[0].attention.out.bias).abs().max() < 1e-12
