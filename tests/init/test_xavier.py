"""Glorot and Bengio 2010: variance 2 / (fan in + fan out), Q, K and V each a map of its own."""

import torch

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
