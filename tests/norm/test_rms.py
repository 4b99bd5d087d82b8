"""Root mean square normalisation by its formula."""

import torch

from stackcli.norm.rms import Rms


def test_each_token_is_divided_by_its_root_mean_square() -> None:
    x = torch.randn(2, 3, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 + 1
    norm = Rms(dim=16, eps=0.5).double()
    with torch.no_grad():
        norm.weight.fill_(2.0)
    assert (norm(x) - 2 * x / (x.square().mean(-1, keepdim=True) + 0.5).sqrt()).abs().max() < 1e-12
    assert [name for name, _ in norm.named_parameters()] == ["weight"]
