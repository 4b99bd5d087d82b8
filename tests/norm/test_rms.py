"""Root mean square normalisation against its formula."""

import pytest
import torch
from torch import nn

from stackcli.norm.rms import Rms
from tests.factory import part, stack


def test_each_token_is_divided_by_its_root_mean_square() -> None:
    x = torch.randn(2, 3, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 + 1
    norm = Rms(dim=16, eps=0.5).double()
    with torch.no_grad():
        norm.weight.fill_(2.0)
    assert (norm(x) - 2 * x / (x.square().mean(-1, keepdim=True) + 0.5).sqrt()).abs().max() < 1e-12
    assert [name for name, _ in norm.named_parameters()] == ["weight"]


@pytest.mark.parametrize("eps", [1e-5, 1e-2])
def test_its_gradients_equal_those_of_the_formula(eps: float) -> None:
    draw = torch.Generator().manual_seed(1)
    x, goal = torch.randn(2, 2, 3, 16, dtype=torch.float64, generator=draw)
    gain = torch.randn(16, dtype=torch.float64, generator=draw)
    norm = Rms(dim=16, eps=eps).double()
    norm.weight.data.copy_(gain)
    ours, theirs, g = x.clone().requires_grad_(), x.clone().requires_grad_(), gain.clone().requires_grad_()
    (norm(ours) * goal).sum().backward()
    (g * theirs / (theirs.square().mean(-1, keepdim=True) + eps).sqrt() * goal).sum().backward()
    for own, formula in ((ours.grad, theirs.grad), (norm.weight.grad, g.grad)):
        assert own is not None and formula is not None and (own - formula).abs().max() < 1e-12


def test_it_removes_the_scale_but_not_the_mean() -> None:
    norm, x = Rms(dim=8, eps=1e-12).double(), torch.randn(3, 8, dtype=torch.float64)
    assert (norm(x) - norm(x * 7)).abs().max() < 1e-9 < (norm(x) - norm(x + 3)).abs().max()
    assert (norm(x).square().mean(-1) - 1).abs().max() < 1e-9


def test_it_is_layer_normalisation_of_tokens_with_mean_0() -> None:
    x = torch.randn(4, 8, dtype=torch.float64)
    x = x - x.mean(-1, keepdim=True)
    assert (Rms(dim=8, eps=1e-5).double()(x) - nn.LayerNorm(8, eps=1e-5).double()(x)).abs().max() < 1e-12


def test_the_model_uses_it_everywhere_with_the_given_eps() -> None:
    model = stack(norm=part("rms", eps=0.125))
    norms = [m for m in model.modules() if isinstance(m, Rms)]
    assert len(norms) == 5 and {m.eps for m in norms} == {0.125}
