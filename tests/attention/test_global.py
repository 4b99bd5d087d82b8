"""Global tokens: a window, and first tokens that see all and are seen by all."""

import pytest
import torch

from stackcli.common import registry
from tests.attention import oracle
from tests.factory import part, stack

pytestmark = pytest.mark.usefixtures("cut_short")


def sees(i: int, j: int, reach: int, tokens: int) -> bool:
    return abs(i - j) <= reach or min(i, j) < tokens


@pytest.mark.parametrize("length", [1, 5, 24, 37])
@pytest.mark.parametrize("reach,tokens", [(1, 1), (2, 4), (3, 30)])
def test_a_query_sees_the_keys_of_the_definition(reach: int, tokens: int, length: int) -> None:
    pattern = registry.build_part("attention", "global", reach=reach, tokens=tokens)
    allowed = pattern.allowed(length, torch.device("cpu"))
    assert allowed.tolist() == [[sees(i, j, reach, tokens) for j in range(length)] for i in range(length)]


@pytest.mark.parametrize("causal", [False, True])
def test_one_block_depends_on_the_tokens_that_it_sees_and_on_no_other(causal: bool) -> None:
    model = stack(attention=part("global", reach=2, tokens=3), causal=causal, depth=1, pe="none")
    assert model.stack[0].attention.pattern.pieces(60, causal, torch.device("cpu")) is not None
    for i, seen in enumerate(oracle.reached(model, 60)):
        assert seen == {j for j in range(60) if sees(i, j, 2, 3) and (j <= i or not causal)}


def test_two_blocks_connect_any_two_tokens() -> None:
    model = stack(attention=part("global", reach=1, tokens=1), depth=2, pe="none")
    assert oracle.reached(model, 40) == [set(range(40))] * 40
