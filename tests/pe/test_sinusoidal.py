"""Vaswani et al. 2017, section 3.5, for each entry."""

import math

import pytest
import torch

from stackcli.model.build import build
from stackcli.pe.base import Context
from stackcli.pe.sinusoidal import Sinusoidal
from tests.factory import config, stack, tokens


def test_every_entry_equals_the_papers_formula() -> None:
    pe = Sinusoidal(dim=8, heads=1, max_len=50, base=10000.0, scale=1.0)
    table = pe.at(torch.arange(50))
    for pos in range(50):
        for i in range(4):
            angle = pos / 10000 ** (2 * i / 8)
            assert abs(float(table[pos, 2 * i]) - math.sin(angle)) < 1e-12
            assert abs(float(table[pos, 2 * i + 1]) - math.cos(angle)) < 1e-12


def test_the_dot_product_depends_on_the_offset_only() -> None:
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


@pytest.mark.parametrize("base,scale,dim", [(10000.0, 0.05, 64), (100.0, 1.0, 16), (2.0, 3.0, 2)])
def test_base_and_scale_are_those_of_the_formula_at_any_position(base: float, scale: float, dim: int) -> None:
    pe = Sinusoidal(dim=dim, heads=1, max_len=8, base=base, scale=scale)
    pos = [0, 1, 2, 63, 64, 5000, 100_000]  # also far beyond max_len
    table = pe.at(torch.tensor(pos))
    for row, p in zip(table.tolist(), pos, strict=True):
        for d, value in enumerate(row):
            angle = p / base ** (2 * (d // 2) / dim)
            assert abs(value - scale * (math.cos(angle) if d % 2 else math.sin(angle))) < 1e-10


def test_the_dot_product_of_shifted_positions_is_the_sum_of_cosines_for_every_pair() -> None:
    pe, n = Sinusoidal(dim=32, heads=1, max_len=200, base=500.0, scale=0.3), 60
    table = pe.at(torch.arange(n) + 40)
    for s in range(0, n, 7):
        for t in range(n):
            expected = 0.09 * sum(math.cos(500.0 ** (-2 * i / 32) * (s - t)) for i in range(16))
            assert abs(float(table[s] @ table[t]) - expected) < 1e-10


def test_it_is_added_once_before_block_1_at_the_positions_given() -> None:
    model, x = stack(pe="sinusoidal"), tokens(2, 5)
    pos, seen = torch.tensor([[0, 1, 2, 3, 4], [7, 3, 90, 4, 4]]), []
    model.stack[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model(x, pos=pos)
    table = [[0.05 * f(p / 10000 ** (2 * i / 16)) for i in range(8) for f in (math.sin, math.cos)] for p in range(91)]
    expected = model.embedding.weight[x] + torch.tensor(table, dtype=torch.float64)[pos]
    assert len(seen) == 1 and (seen[0] - expected).abs().max() < 1e-7


def test_it_is_exact_in_float32_and_has_no_parameters() -> None:
    pe = build(config(pe="sinusoidal", dim=16, heads=2), vocab=9, classes=2, max_len=8).pe
    row = pe.embed(torch.zeros(1, 1, 16), Context(torch.tensor([100_000])))
    assert row.dtype == torch.float32 and abs(float(row[0, 0, 0]) - 0.05 * math.sin(100_000)) < 1e-8
    assert not list(pe.parameters()) and not pe.state_dict()
