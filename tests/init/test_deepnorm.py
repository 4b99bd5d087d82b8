"""DeepNet's initialisation: Xavier normal with gain (8N)^(-1/4) on v, o, ff1 and ff2."""

import math

import pytest
import torch
from torch import nn

from stackcli.common.seeding import torch_at
from stackcli.model.build import build
from tests.factory import config, stack


@pytest.mark.parametrize("depth", [1, 2, 16])
def test_v_o_and_the_feed_forward_maps_have_xavier_variance_divided_by_the_root_of_8_n(depth: int) -> None:
    for layer, role, weight, bias in stack(init="deepnorm", dim=128, heads=4, ff=4.0, depth=depth).maps():
        xavier = 2 / sum(weight.shape)
        expected = xavier if role in ("q", "k", "head") else xavier / math.sqrt(8 * depth)
        if role != "head":
            assert abs(float(weight.detach().var()) / expected - 1) < 0.05, (layer, role)
        assert not bias.any()


def test_each_tensor_equals_torchs_xavier_draw_at_the_same_address() -> None:
    for layer, role, weight, _ in stack(init="deepnorm", seed=4, depth=2).maps():
        with torch_at(4, layer, role):
            gain = 1.0 if role in ("q", "k", "head") else 0.5  # (8 x 2)^(-1/4)
            theirs = nn.init.xavier_normal_(torch.empty(weight.shape), gain=gain)
        assert (weight - theirs).abs().max() < 1e-7, (layer, role)


def test_token_vectors_have_the_given_standard_deviation() -> None:
    table = build(config(init="deepnorm", embed_std=0.3), vocab=4000, classes=2, max_len=4).embedding.weight.detach()
    assert abs(float(table.std()) / 0.3 - 1) < 0.01
