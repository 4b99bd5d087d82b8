"""Dai et al. 2019: the terms by loops, and skewing against the formula for any positions."""

import math

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.pe.xl import Xl, skew
from tests.factory import stack, tokens
from tests.pe.oracle import POSITIONS, B, D, E, H, T, heads


def encoding() -> Xl:
    torch.manual_seed(0)
    pe = Xl(dim=D, heads=H, max_len=64).double()
    torch.nn.init.normal_(pe.u)
    torch.nn.init.normal_(pe.v)
    return pe


@pytest.mark.parametrize("where", POSITIONS)
def test_the_bias_is_terms_b_c_and_d_of_the_paper(where: str) -> None:
    pe, (q, k) = encoding(), heads(2)
    found = pe.bias(q, k, Context(POSITIONS[where]))
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


def test_skewing_moves_each_offset_to_its_key() -> None:
    offsets = torch.arange(-(T - 1), T).expand(2, T, 2 * T - 1)
    at = torch.arange(T)
    assert torch.equal(skew(offsets), (at[None] - at[:, None]).expand(2, T, T))


def test_skewing_gives_the_same_as_the_formula_for_any_positions() -> None:
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
