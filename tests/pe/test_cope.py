"""Golovneva et al. 2024: gates, counts and interpolation by loops."""

import math

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.pe.cope import Cope
from tests.factory import padding, part, stack, tokens
from tests.pe.oracle import B, D, E, H, T, heads


@pytest.mark.parametrize("positions", [2, 3, 64])
@pytest.mark.parametrize("lengths", [None, [7, 4]])
@pytest.mark.parametrize("open_gates", [False, True])
def test_the_bias_is_interpolated_at_the_sum_of_gates(
    positions: int, lengths: list[int] | None, open_gates: bool
) -> None:
    torch.manual_seed(0)
    pe, (q, k) = Cope(dim=D, heads=H, max_len=9, positions=positions, std=1.0).double(), heads(2)
    if open_gates:  # sums are nearly numbers of tokens
        q, k = q.abs() * 3, k.abs() * 3
    mask = None if lengths is None else padding(lengths, T)
    found = pe.bias(q, k, Context(torch.arange(T), mask))
    for b in range(B):
        n = T if lengths is None else lengths[b]  # real tokens only
        for h in range(H):
            for i in range(n):
                gate = [1 / (1 + math.exp(-float(q[b, h, i] @ k[b, h, t]) / math.sqrt(E))) for t in range(T)]
                for j in range(n):
                    count = min(sum(gate[min(i, j) : max(i, j) + 1]), positions - 1)
                    table = pe.after if j > i else pe.before
                    low = math.floor(count)
                    e = table[low] * (1 - count + low) + table[min(low + 1, positions - 1)] * (count - low)
                    assert abs(float(q[b, h, i] @ e) / math.sqrt(E) - float(found[b, h, i, j])) < 1e-12


def test_the_order_of_tokens_matters_and_their_positions_do_not() -> None:
    model, x = stack(pe=part("cope", std=1.0)), tokens()
    assert torch.equal(model(x), model(x, pos=torch.arange(9) * 7))
    assert float((model(x) - model(x.flip(1))).detach().abs().max()) > 1e-5


def test_every_layer_has_its_own_tables_and_all_are_trained() -> None:
    model, x = stack(pe=part("cope", std=1.0), depth=2), tokens()
    model(x).square().sum().backward()
    own = [p for name, p in model.named_parameters() if ".own." in name]
    assert len(own) == 4 and all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in own)
