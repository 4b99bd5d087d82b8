"""The formula by hand; positions start with distinct vectors."""

import math

import torch

from stackcli.pe.base import Context
from stackcli.pe.mlp import Mlp
from tests.factory import stack, tokens


def encoding(**keys: float) -> Mlp:
    torch.manual_seed(0)
    return Mlp(dim=6, heads=2, max_len=40, **keys).double()  # type: ignore[arg-type]


def test_every_entry_equals_the_formula() -> None:
    pe = encoding(width=5)
    table = pe.at(torch.tensor([0, 7, 39, 90]))
    for row, pos in zip(table.tolist(), (0, 7, 39, 90), strict=True):
        hidden = [
            math.tanh(float(w) * pos / 40 + float(b)) for w, b in zip(pe.inner.flatten(), pe.inner_bias, strict=True)
        ]
        for d, value in enumerate(row):
            expected = sum(float(w) * h for w, h in zip(pe.outer[d], hidden, strict=True)) + float(pe.outer_bias[d])
            assert abs(value - expected) < 1e-12


def test_it_is_added_to_the_tokens_and_every_parameter_is_trained() -> None:
    pe, x = encoding(), torch.randn(2, 9, 6, dtype=torch.float64)
    out = pe.embed(x, Context(torch.arange(9)))
    assert torch.allclose(out - x, pe.at(torch.arange(9)).expand(2, 9, 6), atol=1e-12)
    out.square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and bool(p.grad.abs().max() > 0) for p in pe.parameters())


def test_positions_start_distinct_and_with_the_given_size() -> None:
    torch.manual_seed(0)
    table = Mlp(dim=256, heads=2, max_len=64, std=0.05).at(torch.arange(64)).detach()
    spread = (table - table.mean(0)).norm(dim=1) / table.norm(dim=1)
    assert 0.03 < float(table.square().mean().sqrt()) < 0.06 and float(spread.min()) > 0.5
    assert float(torch.pdist(table).min()) > 0.02


def test_an_absolute_encoding_does_not_ignore_a_shift() -> None:
    model, x = stack(pe="mlp"), tokens()
    assert (model(x, pos=torch.arange(9)) - model(x, pos=torch.arange(9) + 20)).abs().max() > 1e-6
