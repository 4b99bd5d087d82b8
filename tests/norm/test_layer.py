"""Layer normalisation against its formula."""

import pytest
import torch

from stackcli.norm.layer import Layer
from tests.factory import part, stack


def test_each_token_has_mean_0_and_variance_1_before_gain_and_offset() -> None:
    x = torch.randn(2, 3, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 + 1
    norm = Layer(dim=16, eps=0.5).double()
    with torch.no_grad():
        norm.weight.fill_(2.0), norm.bias.fill_(0.25)
    expected = 2 * (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 0.5).sqrt() + 0.25
    assert (norm(x) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("eps", [1e-5, 1e-2])
def test_it_equals_torchs_functional_with_its_gradients(eps: float) -> None:
    draw = torch.Generator().manual_seed(1)
    x, goal = torch.randn(2, 2, 3, 16, dtype=torch.float64, generator=draw)
    gain, offset = torch.randn(2, 16, dtype=torch.float64, generator=draw)
    norm = Layer(dim=16, eps=eps).double()
    norm.weight.data.copy_(gain), norm.bias.data.copy_(offset)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    g, o = gain.clone().requires_grad_(), offset.clone().requires_grad_()
    (norm(ours) * goal).sum().backward()
    mean = theirs.mean(-1, keepdim=True)
    ((g * (theirs - mean) / ((theirs - mean).square().mean(-1, keepdim=True) + eps).sqrt() + o) * goal).sum().backward()
    for tensor, expected in ((ours, theirs), (norm.weight, g), (norm.bias, o)):
        assert (tensor.grad - expected.grad).abs().max() < 1e-12


def test_it_starts_with_gains_of_1_and_offsets_of_0_and_removes_scale_and_shift() -> None:
    norm, x = Layer(dim=8, eps=1e-12).double(), torch.randn(3, 8, dtype=torch.float64)
    assert torch.equal(norm.weight, torch.ones(8).double()) and not norm.bias.any()
    assert (norm(x) - norm(x * 7 + 3)).abs().max() < 1e-9


def test_the_model_uses_it_everywhere_with_the_given_eps() -> None:
    model = stack(norm=part("layer", eps=0.125))
    norms = [m for m in model.modules() if isinstance(m, Layer)]
    assert len(norms) == 5 and {m.eps for m in norms} == {0.125}
