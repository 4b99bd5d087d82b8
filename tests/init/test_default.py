"""PyTorch's own initialisation of a linear map."""

import torch
from torch import nn

from stackcli.init.default import Default


def test_weights_and_biases_are_those_of_nn_linear() -> None:
    torch.manual_seed(3)
    theirs = nn.Linear(40, 24)
    weight, bias = torch.empty(24, 40), torch.empty(24)
    torch.manual_seed(3)
    init = Default(depth=1)
    init.weight(weight, "q")
    init.bias(bias, "q", 40)
    assert torch.allclose(weight, theirs.weight, atol=1e-7) and torch.allclose(bias, theirs.bias, atol=1e-7)
