"""Dilated windows: every gap-th token, up to reach of them on each side."""

import pytest
import torch

from stackcli.common import registry
from tests.attention import oracle
from tests.factory import part, stack

pytestmark = pytest.mark.usefixtures("cut_short")


def sees(i: int, j: int, reach: int, gap: int) -> bool:
    return any(j == i + gap * m for m in range(-reach, reach + 1))


@pytest.mark.parametrize("length", [1, 5, 24, 37])
@pytest.mark.parametrize("reach,gap", [(1, 1), (2, 3), (4, 2), (1, 30)])
def test_a_query_sees_the_keys_of_the_definition(reach: int, gap: int, length: int) -> None:
    pattern = registry.build_part("attention", "dilated", reach=reach, gap=gap)
    allowed = pattern.allowed(length, torch.device("cpu"))
    assert allowed.tolist() == [[sees(i, j, reach, gap) for j in range(length)] for i in range(length)]


@pytest.mark.parametrize("causal", [False, True])
def test_one_block_depends_on_the_tokens_that_it_sees_and_on_no_other(causal: bool) -> None:
    model = stack(attention=part("dilated", reach=2, gap=5), causal=causal, depth=1, pe="none")
    assert model.stack[0].attention.pattern.pieces(60, causal, torch.device("cpu")) is not None
    for i, seen in enumerate(oracle.reached(model, 60)):
        assert seen == {j for j in range(60) if sees(i, j, 2, 5) and (j <= i or not causal)}


def test_a_gap_of_one_is_a_window() -> None:
    dilated = registry.build_part("attention", "dilated", reach=3, gap=1)
    window = registry.build_part("attention", "window", reach=3)
    assert torch.equal(*(p.allowed(40, torch.device("cpu")) for p in (dilated, window)))


def test_the_scores_are_those_of_a_window_on_each_of_the_gap_sequences() -> None:
    pattern = registry.build_part("attention", "dilated", reach=16, gap=4)
    assert pattern.sizes(4096, True) == (4096, 4 * 64 * 32, 4 * 64 * 16 * 32)  # 4 sequences of 64 blocks of 16 by 32
