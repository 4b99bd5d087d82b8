"""Tables of relations against loops over queries and keys."""

import math

import pytest
import torch

from stackcli.pe import _tables
from stackcli.pe._tables import add_on_keys, draw_table, on_keys, on_near_keys, on_near_values, on_values
from tests.pe.oracle import B, E, H, T, heads

ROWS = 3
DRAW = torch.Generator().manual_seed(0)
BY = {
    "one for all sequences": torch.randint(0, ROWS, (T, T), generator=DRAW),
    "one for each sequence": torch.randint(0, ROWS, (B, T, T), generator=DRAW),
}


def row(which: str, b: int, i: int, j: int) -> int:
    rows = BY[which]
    return int(rows[i, j] if rows.dim() == 2 else rows[b, i, j])


@pytest.mark.parametrize("which", BY)
def test_a_score_is_the_scaled_product_of_the_query_and_the_row_of_its_pair(which: str) -> None:
    (q,), table = heads(1), torch.randn(ROWS, E, dtype=torch.float64)
    found = on_keys(q, table, BY[which])
    assert found.shape == (B, H, T, T)
    for b, h, i, j in torch.cartesian_prod(*map(torch.arange, (B, H, T, T))).tolist():
        expected = sum(float(x) * float(y) for x, y in zip(q[b, h, i], table[row(which, b, i, j)], strict=True))
        assert abs(float(found[b, h, i, j]) - expected / math.sqrt(E)) < 1e-12


@pytest.mark.parametrize("which", BY)
def test_an_output_is_the_weighted_sum_of_the_rows_of_its_pairs(which: str) -> None:
    weights = torch.rand(B, H, T, T, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    table = torch.randn(ROWS, E, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    found = on_values(weights, table, BY[which])
    for b, h, i in torch.cartesian_prod(*map(torch.arange, (B, H, T))).tolist():
        for e in range(E):
            expected = sum(float(weights[b, h, i, j]) * float(table[row(which, b, i, j), e]) for j in range(T))
            assert abs(float(found[b, h, i, e]) - expected) < 1e-12


def test_a_row_that_no_pair_uses_has_no_gradient_and_every_other_has_one() -> None:
    (q,), used = heads(1), torch.full((T, T), 2)
    table = torch.randn(ROWS, E, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(on_values(on_keys(q, table, used), table, used).sum(), table)
    assert not gradient[:2].any() and gradient[2].all()


def test_a_table_is_drawn_as_torchs_xavier_uniform() -> None:
    torch.manual_seed(3)
    table = draw_table(33, 8)
    torch.manual_seed(3)
    expected = torch.nn.init.xavier_uniform_(torch.empty(33, 8))
    assert table.requires_grad and torch.allclose(table.detach(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("length,clip", [(1, 0), (5, 0), (9, 16), (64, 3), (65, 3), (130, 16), (200, 70), (70, 69)])
def test_near_and_far_keys_give_what_every_pair_gives(length: int, clip: int) -> None:
    draw = torch.Generator().manual_seed(length)
    q = torch.randn(2, 3, length, 4, dtype=torch.float64, generator=draw, requires_grad=True)
    weights = torch.randn(2, 3, length, length, dtype=torch.float64, generator=draw, requires_grad=True)
    table = torch.randn(2 * clip + 1, 4, dtype=torch.float64, generator=draw, requires_grad=True)
    at = torch.arange(length)
    rows = (at[None, :] - at[:, None]).clamp(-clip, clip) + clip
    for near, every, x in ((on_near_keys, on_keys, q), (on_near_values, on_values, weights)):
        found, expected = near(x, table, clip), every(x, table, rows)
        assert found.shape == expected.shape and (found - expected).abs().max() < 1e-12
        goal = torch.randn(expected.shape, dtype=torch.float64, generator=draw)
        pairs = (torch.autograd.grad(y, (x, table), goal) for y in (found, expected))
        for a, b in zip(*pairs, strict=True):
            assert (a - b).abs().max() < 1e-11


@pytest.mark.parametrize("many", [1, 1000])
def test_rows_are_added_to_the_scores_and_weights_summed_with_the_right_derivatives(
    many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tables, "MANY", many)
    draw, rows = torch.Generator().manual_seed(4), torch.randint(0, ROWS, (2, 70, 70), generator=DRAW)
    q, scores = (torch.randn(2, 3, 70, n, dtype=torch.float64, generator=draw).requires_grad_() for n in (4, 70))
    table = torch.randn(ROWS, 4, dtype=torch.float64, generator=draw, requires_grad=True)
    chosen = table[rows][:, None]  # (B, 1, T, T, E)
    cases = (
        (add_on_keys(scores.clone(), q, table, rows), scores + torch.einsum("bhie,bxije->bhij", q, chosen) / 2),
        (on_values(scores, table, rows) * q, torch.einsum("bhij,bxije->bhie", scores, chosen) * q),
    )
    for found, expected in cases:
        assert (found - expected).abs().max() < 1e-12
        goal = torch.randn(expected.shape, dtype=torch.float64, generator=draw)
        pairs = (torch.autograd.grad(y, (scores, q, table), goal, True) for y in (found, expected))
        for a, b in zip(*pairs, strict=True):
            assert float(b.abs().max()) > 0.1 and (a - b).abs().max() < 1e-11
