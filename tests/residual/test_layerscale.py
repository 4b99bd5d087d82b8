"""LayerScale: pre-LN whose branches have a learned weight for each dimension."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stackcli.residual.layerscale import LayerScale
from tests.factory import part, stack, tokens
from tests.residual import oracle


def rule(x: Tensor, norm: oracle.Map, branch: oracle.Map, scale: Tensor) -> Tensor:
    return x + branch(norm(x)) @ torch.diag(scale)


def own(join: Any) -> tuple[Tensor]:
    return (join.scale,)


def test_the_stream_after_a_branch_equals_the_paper() -> None:
    oracle.check_join("layerscale", rule, own)


def test_a_stack_of_three_blocks_equals_the_paper_with_gains_and_offsets() -> None:
    oracle.check_stack("layerscale", rule, closing=True, own=own)


@pytest.mark.parametrize("depth,start", [(1, 0.1), (18, 0.1), (19, 1e-5), (24, 1e-5), (25, 1e-6), (48, 1e-6)])
def test_every_weight_starts_at_the_papers_value_for_the_depth(depth: int, start: float) -> None:
    join = oracle.build_join("layerscale", dim=7, depth=depth)
    assert isinstance(join, LayerScale)
    assert torch.allclose(join.scale, torch.full((7,), start, dtype=torch.float64), rtol=1e-6, atol=0)


def test_a_given_start_is_used_and_1_equals_pre_ln_at_first() -> None:
    one, pre = stack(residual=part("layerscale", start=1.0), depth=3), stack(residual="pre", depth=3)
    assert torch.equal(one(tokens()), pre(tokens()))
    assert len({id(join.scale) for block in one.stack for join in block.joins()}) == 6
