"""What the heads look at."""

import math

import pytest
import torch

from stackcli.diagnostics.attention_maps import OFFSETS, describe_heads
from tests.explain.examples import texts


def test_a_head_is_described_by_its_weights() -> None:
    weights = torch.tensor([[[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]]])
    (found,) = describe_heads([weights], torch.tensor([[True, True, False]]))
    assert found.layer == found.head == 1 and found.padding == 0
    assert found.distance == pytest.approx((0 + 0.5) / 2) and found.first == pytest.approx((1 + 0.5) / 2)
    assert found.entropy == pytest.approx(math.log(2) / 2)
    near = dict(zip(range(-OFFSETS, OFFSETS + 1), found.offsets, strict=True))
    assert near[0] == pytest.approx((1 + 0.5) / 2) and near[-1] == pytest.approx(0.25) and near[1] == 0


@pytest.mark.parametrize("left", [False, True])
def test_padding_has_exactly_no_share_and_its_side_does_not_matter(left: bool) -> None:
    one, other = texts(pe="rope", left=left), texts(pe="rope")
    found = list(describe_heads(one.attention(), one.mask))
    assert len(found) == 4 and all(head.padding == 0 for head in found)
    for head, same in zip(found, describe_heads(other.attention(), other.mask), strict=True):
        assert head.distance == pytest.approx(same.distance) and head.first == pytest.approx(same.first)
