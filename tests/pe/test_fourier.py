"""Li et al. 2021: the formula by hand, and the kernel that the random features approximate."""

import math

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.pe.fourier import Fourier
from tests.factory import stack, tokens


def gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def test_every_entry_equals_the_formula() -> None:
    torch.manual_seed(0)
    pe = Fourier(dim=4, heads=2, max_len=40, features=6, width=5).double()
    for pos in (0, 3, 39, 200):
        angle = [pos * float(w) for w in pe.freq]
        r = [f(a) / math.sqrt(6) for f in (math.cos, math.sin) for a in angle]
        hidden = [
            gelu(sum(float(w) * x for w, x in zip(row, r, strict=True)) + float(b))
            for row, b in zip(pe.inner.weight, pe.inner.bias, strict=True)
        ]
        for d, value in enumerate(pe.at(torch.tensor(pos)).tolist()):
            row = zip(pe.outer.weight[d], hidden, strict=True)
            assert abs(value - sum(float(w) * h for w, h in row) - float(pe.outer.bias[d])) < 1e-12


@pytest.mark.parametrize("gamma", [2.0, 8.0])
def test_products_of_features_are_a_gaussian_kernel_of_the_distance(gamma: float) -> None:
    torch.manual_seed(0)
    pe, pos = Fourier(dim=4, heads=2, max_len=40, features=40_000, gamma=gamma, width=1), torch.arange(30)
    r = pe.features(pos).detach()
    distance = (pos[:, None] - pos[None, :]).abs()
    expected = (-(distance**2) / (2 * gamma**2)).exp() / 2
    assert float((r @ r.T - expected).abs().max()) < 3 / math.sqrt(20_000)


def test_it_is_added_to_the_tokens_and_every_parameter_is_trained() -> None:
    torch.manual_seed(0)
    pe, x = Fourier(dim=6, heads=2, max_len=40).double(), torch.randn(2, 9, 6, dtype=torch.float64)
    out = pe.embed(x, Context(torch.arange(9)))
    assert torch.allclose(out - x, pe.at(torch.arange(9)).expand(2, 9, 6), atol=1e-12)
    out.square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and bool(p.grad.abs().max() > 0) for p in pe.parameters())


def test_vectors_start_with_the_given_size() -> None:
    torch.manual_seed(0)
    table = Fourier(dim=256, heads=2, max_len=64, std=0.05).at(torch.arange(64)).detach()
    assert 0.03 < float(table.square().mean().sqrt()) < 0.07


def test_an_odd_number_of_features_is_refused_and_a_shift_is_seen() -> None:
    with pytest.raises(ValueError, match="even number of features"):
        Fourier(dim=6, heads=2, max_len=9, features=7)
    model, x = stack(pe="fourier"), tokens()
    assert (model(x, pos=torch.arange(9)) - model(x, pos=torch.arange(9) + 20)).abs().max() > 1e-6
