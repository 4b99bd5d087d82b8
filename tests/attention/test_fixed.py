"""Fixed sparse attention: own block, and the last tokens of every block."""

import pytest
import torch

from stackcli.common import registry
from tests.attention import oracle
from tests.factory import part, stack

pytestmark = pytest.mark.usefixtures("cut_short")


def sees(i: int, j: int, stride: int, summary: int) -> bool:
    return i // stride == j // stride or j % stride in range(stride - summary, stride)


@pytest.mark.parametrize("length", [1, 5, 24, 37])
@pytest.mark.parametrize("stride,summary", [(3, 1), (8, 2), (5, 5)])
def test_a_query_sees_the_keys_of_the_definition(stride: int, summary: int, length: int) -> None:
    pattern = registry.build_part("attention", "fixed", stride=stride, summary=summary)
    allowed = pattern.allowed(length, torch.device("cpu"))
    assert allowed.tolist() == [[sees(i, j, stride, summary) for j in range(length)] for i in range(length)]


@pytest.mark.parametrize("causal", [False, True])
def test_one_block_depends_on_the_tokens_that_it_sees_and_on_no_other(causal: bool) -> None:
    model = stack(attention=part("fixed", stride=6, summary=2), causal=causal, depth=1, pe="none")
    assert model.stack[0].attention.pattern.pieces(60, causal, torch.device("cpu")) is not None
    for i, seen in enumerate(oracle.reached(model, 60)):
        assert seen == {j for j in range(60) if sees(i, j, 6, 2) and (j <= i or not causal)}


def test_more_summary_tokens_than_a_block_has_are_refused() -> None:
    with pytest.raises(ValueError, match=r"attention\.summary=5 is more than attention\.stride=4"):
        registry.build_part("attention", "fixed", stride=4, summary=5)
