"""Chi et al. 2022: both kernels by loops."""

import math

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.pe.kerple import Kerple
from tests.factory import part, stack, tokens
from tests.pe.oracle import POSITIONS, D, H, each_bias, heads


@pytest.mark.parametrize("where", POSITIONS)
@pytest.mark.parametrize("form", ["log", "power"])
def test_the_bias_is_the_kernel_of_the_distance(where: str, form: str) -> None:
    torch.manual_seed(0)
    pe = Kerple(dim=D, heads=H, max_len=9, form=form).double()  # type: ignore[arg-type]
    with torch.no_grad():
        pe.r1[0, 0], pe.r2[0, 1] = -3.0, -1.0  # below the smallest allowed value

    def one(h: int, i: int, j: int) -> float:
        r1, r2 = (max(0.01, float(r[1 if j > i else 0, h])) for r in (pe.r1, pe.r2))
        d = abs(i - j)
        return -r1 * math.log(1 + r2 * d) if form == "log" else -r1 * d**r2 if d else 0.0

    assert each_bias(pe, Context(POSITIONS[where]), one, *heads(2)) < 1e-12


@pytest.mark.parametrize("form", ["log", "power"])
def test_order_matters_a_shift_does_not_and_every_parameter_is_trained(form: str) -> None:
    model, x = stack(pe=part("kerple", form=form)), tokens()
    assert torch.equal(model(x), model(x, pos=torch.arange(9) + 20))
    assert float((model(x) - model(x.flip(1))).detach().abs().max()) > 1e-5
    model(x).square().sum().backward()
    assert isinstance(model.pe, Kerple)
    for r in (model.pe.r1, model.pe.r2):
        assert r.grad is not None and bool(r.grad.all())
