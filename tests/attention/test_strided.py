"""Strided sparse attention: the tokens near by, and every stride-th one."""

import pytest
import torch

from stackcli.common import registry
from tests.attention import oracle
from tests.factory import part, stack

pytestmark = pytest.mark.usefixtures("cut_short")


def sees(i: int, j: int, stride: int) -> bool:
    return abs(i - j) < stride or (i - j) % stride == 0


@pytest.mark.parametrize("length", [1, 5, 24, 37])
@pytest.mark.parametrize("stride", [2, 5, 8])
def test_a_query_sees_the_keys_of_the_definition(stride: int, length: int) -> None:
    pattern = registry.build_part("attention", "strided", stride=stride)
    allowed = pattern.allowed(length, torch.device("cpu"))
    assert allowed.tolist() == [[sees(i, j, stride) for j in range(length)] for i in range(length)]


@pytest.mark.parametrize("causal", [False, True])
def test_one_block_depends_on_the_tokens_that_it_sees_and_on_no_other(causal: bool) -> None:
    model = stack(attention=part("strided", stride=6), causal=causal, depth=1, pe="none")
    assert model.stack[0].attention.pattern.pieces(60, causal, torch.device("cpu")) is not None
    for i, seen in enumerate(oracle.reached(model, 60)):
        assert seen == {j for j in range(60) if sees(i, j, 6) and (j <= i or not causal)}


@pytest.mark.parametrize("length", [256, 1024, 4096])
def test_with_the_square_root_of_the_length_as_stride_scores_grow_with_its_power_of_one_and_a_half(length: int) -> None:
    stride = round(length**0.5)
    pattern = registry.build_part("attention", "strided", stride=stride)
    _, _, scores = pattern.sizes(length, True)
    width = max(stride - 1, 16)
    blocks = -(-length // width)
    assert scores == blocks * width * (width + stride - 1) + length * stride and scores < 3.2 * length**1.5
