"""Softmax with one in the denominator: weights in loops, and what a head leaves out."""

import math

import pytest

from tests.attention import oracle
from tests.factory import padding, part, stack, tokens


@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_a_tokens_output_is_the_sum_over_keys_with_one_more_in_the_denominator(
    kernel: str, causal: bool, padded: bool
) -> None:
    oracle.check_sums("softmax1", math.inf, kernel=kernel, causal=causal, padded=padded, more=[1.0, 1.0])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pe", ["none", "alibi", "rope", "relative"])
def test_the_kernels_agree_in_outputs_and_gradients(pe: str, causal: bool) -> None:
    found = []
    for kernel in ("auto", "explicit"):
        model = stack(attention="softmax1", pe=pe, causal=causal, kernel=kernel)
        logits = model(tokens(), padding([9, 5, 1], 9))
        logits.sin().sum().backward()
        found.append([logits, *(p.grad for p in model.parameters())])
    assert all((a - b).abs().max() < 1e-12 for a, b in zip(*found, strict=True))


def test_it_is_a_sink_whose_score_stays_at_zero() -> None:
    one, sink = (stack(attention=kind)(tokens()) for kind in ("softmax1", part("sink", start=0.0)))
    assert (one - sink).abs().max() < 1e-12
