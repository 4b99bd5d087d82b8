"""PyTorch's own initialisation of a linear map."""

import torch
from torch import nn

from stackcli.common.seeding import torch_at
from stackcli.init.default import Default
from stackcli.model.build import build
from tests.factory import config, stack


def test_weights_and_biases_are_those_of_nn_linear() -> None:
    torch.manual_seed(3)
    theirs = nn.Linear(40, 24)
    weight, bias = torch.empty(24, 40), torch.empty(24)
    torch.manual_seed(3)
    init = Default(depth=1, dim=40, branches=2)
    init.weight(weight, "q")
    init.bias(bias, "q", 40)
    assert torch.allclose(weight, theirs.weight, atol=1e-7) and torch.allclose(bias, theirs.bias, atol=1e-7)


def test_every_map_of_the_stack_is_uniform_within_1_over_the_root_of_its_fan_in() -> None:
    for layer, role, weight, bias in stack(dim=128, heads=4, ff=4.0).maps():
        bound = 1 / weight.shape[1] ** 0.5
        assert bound * 0.95 < float(weight.detach().abs().max()) <= bound, (layer, role)
        assert float(bias.detach().abs().max()) <= bound and bias.any()
        if role != "head":
            assert abs(float(weight.detach().var()) / (bound**2 / 3) - 1) < 0.05, (layer, role)
            assert abs(float(bias.detach().var()) / (bound**2 / 3) - 1) < 0.5, (layer, role)


def test_each_tensor_equals_that_of_nn_linear_drawn_at_the_same_address() -> None:
    model = stack(seed=4).float()
    for layer, role, weight, bias in model.maps():
        theirs = nn.Linear(weight.shape[1], weight.shape[0])
        with torch_at(4, layer, role):
            nn.init.kaiming_uniform_(theirs.weight, a=5**0.5)
        with torch_at(4, layer, role, "bias"):
            bound = weight.shape[1] ** -0.5
            nn.init.uniform_(theirs.bias, -bound, bound)
        assert torch.allclose(weight, theirs.weight, atol=1e-7) and torch.allclose(bias, theirs.bias, atol=1e-7)


def test_token_vectors_have_the_given_standard_deviation() -> None:
    c = config(embed_std=0.3, dim=64, heads=4)
    table = build(c, vocab=4000, classes=2, max_len=4).embedding.weight.detach()
    assert abs(float(table.std()) / 0.3 - 1) < 0.01 and abs(float(table.mean())) < 0.005
