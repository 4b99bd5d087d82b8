"""SmallInit: attention drawn like feed-forward maps of four times the width."""

import math

import pytest
import torch
from torch import nn

from stackcli.common.seeding import torch_at
from stackcli.model.build import build
from tests.factory import config, stack


def test_at_ff_4_every_map_of_a_block_has_variance_2_over_5_d() -> None:
    for layer, role, weight, bias in stack(init="small", dim=128, heads=4, ff=4.0).maps():
        if role != "head":
            assert abs(float(weight.detach().var()) / (2 / (5 * 128)) - 1) < 0.05, (layer, role)
        assert not bias.any()


@pytest.mark.parametrize("ff", [1.0, 3.0])
def test_for_any_ff_attention_has_the_same_variance_and_feed_forward_maps_follow_their_fans(ff: float) -> None:
    for layer, role, weight, _ in stack(init="small", dim=128, heads=4, ff=ff).maps():
        expected = 2 / (128 + 128 * ff) if role in ("ff1", "ff2") else 2 / (128 + 4 * 128)
        if role != "head":
            assert abs(float(weight.detach().var()) / expected - 1) < 0.05, (layer, role)


def test_each_tensor_equals_torchs_draw_at_the_same_address() -> None:
    for layer, role, weight, _ in stack(init="small", seed=4, ff=2.0).maps():
        with torch_at(4, layer, role):
            if role in ("q", "k", "v", "o"):
                theirs = nn.init.normal_(torch.empty(16, 16), std=math.sqrt(2 / (16 + 64)))
            else:
                theirs = nn.init.xavier_normal_(torch.empty(weight.shape))
        assert (weight - theirs).abs().max() < 1e-7, (layer, role)


def test_token_vectors_have_the_given_standard_deviation() -> None:
    table = build(config(init="small", embed_std=0.3), vocab=4000, classes=2, max_len=4).embedding.weight.detach()
    assert abs(float(table.std()) / 0.3 - 1) < 0.01
