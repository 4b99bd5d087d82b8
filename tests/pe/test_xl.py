"""Dai et al. 2019: the terms by loops, and skewing against the formula for any positions."""

import math

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.pe.xl import Xl, add_by_offset
from tests.factory import stack, tokens
from tests.pe.oracle import POSITIONS, B, D, E, H, T, heads


def encoding() -> Xl:
    torch.manual_seed(0)
    pe = Xl(dim=D, heads=H, max_len=64).double()
    torch.nn.init.normal_(pe.u)
    torch.nn.init.normal_(pe.v)
    return pe


def added(pe: Xl, q: torch.Tensor, k: torch.Tensor, ctx: Context) -> torch.Tensor:
    """What the encoding adds to the scaled scores."""
    turned, same = pe.rotate(q, k, ctx)
    assert same is k
    return (turned - q) @ k.transpose(-1, -2) / math.sqrt(E) + pe.bias(turned, k, ctx)


@pytest.mark.parametrize("where", POSITIONS)
def test_the_encoding_adds_terms_b_c_and_d_of_the_paper(where: str) -> None:
    pe, (q, k) = encoding(), heads(2)
    found = added(pe, q, k, Context(POSITIONS[where]))
    for b in range(B):
        pos = (POSITIONS[where] if POSITIONS[where].dim() == 1 else POSITIONS[where][b]).tolist()
        for i in range(T):
            for j in range(T):
                angle = [(pos[i] - pos[j]) / 10000 ** (2 * n / D) for n in range(D // 2)]
                sinusoid = torch.tensor(
                    [math.sin(a) for a in angle] + [math.cos(a) for a in angle], dtype=torch.float64
                )
                r = pe.project @ sinusoid
                for h in range(H):
                    own = r[h * E : (h + 1) * E]
                    expected = (q[b, h, i] @ own + pe.u[h] @ k[b, h, j] + pe.v[h] @ own) / math.sqrt(E)
                    assert abs(float(expected - found[b, h, i, j])) < 1e-12


@pytest.mark.parametrize("length", [1, 2, 5, 63, 64, 65, 130])
def test_products_by_offset_are_those_of_the_definition(length: int) -> None:
    draw = torch.Generator().manual_seed(length)
    q = torch.randn(2, 3, length, 4, dtype=torch.float64, generator=draw, requires_grad=True)
    vectors = torch.randn(3, 2 * length - 1, 4, dtype=torch.float64, generator=draw, requires_grad=True)
    at = torch.arange(length)
    chosen = vectors[:, at[None] - at[:, None] + length - 1]  # (H, T, T, E)
    found, expected = (
        add_by_offset(torch.zeros(2, 3, length, length, dtype=torch.float64), q, vectors),
        torch.einsum("bhie,hije->bhij", q, chosen),
    )
    assert (found - expected).abs().max() < 1e-12
    goal = torch.randn(expected.shape, dtype=torch.float64, generator=draw)
    for a, b in zip(*(torch.autograd.grad(y, (q, vectors), goal) for y in (found, expected)), strict=True):
        assert (a - b).abs().max() < 1e-12


def test_consecutive_positions_give_the_same_as_the_formula_for_any_positions() -> None:
    pe, (q, k) = encoding(), heads(2)
    skewed = pe.bias(q, k, Context(torch.arange(T)))
    apart = pe.bias(q, k, Context(torch.arange(T).expand(B, T)))
    assert float((skewed - apart).abs().max()) < 1e-12


def test_a_shift_changes_nothing_and_every_layer_has_its_own_parameters() -> None:
    model, x = stack(pe="xl", depth=2), tokens()
    assert (model(x) - model(x, pos=torch.arange(9) + 20)).abs().max() < 1e-12
    model(x).square().sum().backward()
    own = [p for name, p in model.named_parameters() if ".own." in name]
    assert len(own) == 6 and all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in own)
