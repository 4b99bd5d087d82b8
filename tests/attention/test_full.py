"""Full attention: every token sees every real token, or with a causal mask every earlier one."""

import math

import pytest
import torch
from torch import Tensor

from stackcli.attention.full import Full
from tests.attention import oracle
from tests.factory import padding, stack, tokens


def test_it_forbids_nothing() -> None:
    assert Full().allowed(7, torch.device("cpu")) is None


@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_a_tokens_output_is_the_weighted_sum_over_all_that_it_may_see(kernel: str, causal: bool, padded: bool) -> None:
    oracle.check_sums("full", math.inf, kernel=kernel, causal=causal, padded=padded)


@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("causal", [False, True])
def test_one_block_reaches_every_token_or_every_earlier_token(kernel: str, causal: bool) -> None:
    model = stack(attention="full", causal=causal, kernel=kernel, depth=1, pe="none")
    for t, seen in enumerate(oracle.reached(model, 7)):
        assert seen == set(range(t + 1 if causal else 7))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pe", ["none", "alibi", "rope"])
def test_fused_and_explicit_kernels_agree_to_rounding(pe: str, causal: bool) -> None:
    def logits(kernel: str) -> Tensor:
        answer: Tensor = stack(pe=pe, causal=causal, kernel=kernel)(tokens(), padding([9, 5, 1], 9))
        return answer

    assert (logits("auto") - logits("explicit")).abs().max() < 1e-12
