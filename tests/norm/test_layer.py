"""Layer normalisation by its formula."""

import torch

from stackcli.norm.layer import Layer


def test_each_token_has_mean_0_and_variance_1_before_gain_and_offset() -> None:
    x = torch.randn(2, 3, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 + 1
    norm = Layer(dim=16, eps=0.5).double()
    with torch.no_grad():
        norm.weight.fill_(2.0), norm.bias.fill_(0.25)
    expected = 2 * (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 0.5).sqrt() + 0.25
    assert (norm(x) - expected).abs().max() < 1e-12
