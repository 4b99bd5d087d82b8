"""Li et al. 2024: the function of the normalised offset by loops."""

import math

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.pe.fire import Fire
from tests.factory import part, stack, tokens
from tests.pe.oracle import POSITIONS, D, H, each_bias, heads


@pytest.mark.parametrize("where", POSITIONS)
@pytest.mark.parametrize("threshold", [4.0, 512.0])
def test_the_bias_is_the_perceptron_of_the_normalised_offset(where: str, threshold: float) -> None:
    torch.manual_seed(0)
    pe = Fire(dim=D, heads=H, max_len=9, width=5, threshold=threshold, c=0.3).double()
    with torch.no_grad():
        pe.stretch.fill_(-1.5)

    def psi(x: float) -> float:
        return math.log(abs(float(pe.c) * x) + 1)

    def one(h: int, i: int, j: int) -> float:
        x = math.copysign(psi(i - j), i - j) / psi(max(1.5 * threshold, i, j)) if i != j else 0.0
        hidden = [max(0.0, float(w[0]) * x + float(b)) for w, b in zip(pe.inner.weight, pe.inner.bias, strict=True)]
        return sum(float(w) * a for w, a in zip(pe.outer.weight[h], hidden, strict=True))

    assert each_bias(pe, Context(POSITIONS[where]), one, *heads(2)) < 1e-12


def test_below_the_threshold_only_offsets_matter_and_beyond_it_positions_do() -> None:
    x = tokens()
    near, far = stack(pe=part("fire", threshold=512.0)), stack(pe=part("fire", threshold=4.0))
    moved = torch.arange(9) + 20
    assert float((near(x) - near(x, pos=moved)).detach().abs().max()) < 1e-12
    assert float((far(x) - far(x, pos=moved)).detach().abs().max()) > 1e-6


def test_order_matters_and_every_parameter_is_trained() -> None:
    model, x = stack(pe=part("fire", threshold=4.0)), tokens()
    assert float((model(x) - model(x.flip(1))).detach().abs().max()) > 1e-5
    model(x).square().sum().backward()
    for name, p in model.pe.named_parameters():
        assert p.grad is not None and float(p.grad.abs().max()) > 0, name
