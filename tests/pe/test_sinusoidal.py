"""Vaswani et al. 2017, section 3.5, entry by entry."""

import math

import pytest
import torch

from stackcli.pe.sinusoidal import Sinusoidal
from tests.factory import stack, tokens


def test_every_entry_is_the_papers() -> None:
    pe = Sinusoidal(dim=8, heads=1, max_len=50, base=10000.0, scale=1.0)
    table = pe.at(torch.arange(50))
    for pos in range(50):
        for i in range(4):
            angle = pos / 10000 ** (2 * i / 8)
            assert abs(float(table[pos, 2 * i]) - math.sin(angle)) < 1e-12
            assert abs(float(table[pos, 2 * i + 1]) - math.cos(angle)) < 1e-12


def test_the_dot_product_depends_on_the_offset_alone() -> None:
    pe = Sinusoidal(dim=64, heads=1, max_len=200, scale=1.0)
    table = pe.at(torch.arange(200))
    for k in (0, 1, 7, 60):
        expected = sum(math.cos(10000 ** (-2 * i / 64) * k) for i in range(32))
        assert ((table[: 200 - k] * table[k:]).sum(-1) - expected).abs().max() < 1e-10


def test_an_absolute_encoding_does_not_ignore_a_shift() -> None:
    model, x = stack(pe="sinusoidal"), tokens()
    assert (model(x, pos=torch.arange(9)) - model(x, pos=torch.arange(9) + 20)).abs().max() > 1e-6


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="even dim, not dim=7"):
        Sinusoidal(dim=7, heads=1, max_len=4)
