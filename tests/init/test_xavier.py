"""Glorot and Bengio 2010: variance 2 / (fan in + fan out), with Q, K and V as separate maps."""

import torch
from torch import nn

from stackcli.common.seeding import torch_at
from tests.factory import stack


def test_every_map_has_the_variance_and_bound_of_its_own_fans() -> None:
    model = stack(init="xavier", dim=128, heads=4, ff=4.0)
    for _, role, weight, bias in model.maps():
        if role == "head":
            continue
        variance = 2 / sum(weight.shape)
        assert abs(float(weight.detach().var()) / variance - 1) < 0.05, role
        assert float(weight.detach().abs().max()) <= (3 * variance) ** 0.5
        assert torch.count_nonzero(bias) == 0


def test_each_tensor_equals_torchs_xavier_draw_at_the_same_address() -> None:
    for layer, role, weight, bias in stack(init="xavier", seed=4).float().maps():
        with torch_at(4, layer, role):
            theirs = nn.init.xavier_uniform_(torch.empty(weight.shape))
        assert torch.allclose(weight, theirs, atol=1e-7), (layer, role)
        assert not bias.any()


def test_q_k_and_v_are_square_maps_not_one_of_three_times_the_width() -> None:
    model, D = stack(init="xavier", dim=128, heads=4), 128
    for layer in model.stack:
        q, k, v = layer.attention.qkv.weight.detach().chunk(3)
        for own in (q, k, v):
            assert abs(float(own.var()) / (2 / (D + D)) - 1) < 0.05  # a single map would have 2 / (D + 3 D)
            assert abs(float(own.mean())) < 0.005
        assert not torch.equal(q, k) and not torch.equal(k, v)
