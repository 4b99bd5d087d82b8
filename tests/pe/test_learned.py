"""A vector for each position."""

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.pe.learned import Learned
from tests.factory import stack, tokens


def test_each_position_adds_its_own_row() -> None:
    pe, x = Learned(dim=4, heads=1, max_len=10), torch.randn(2, 3, 4)
    out = pe.embed(x, Context(torch.tensor([7, 0, 3])))
    for t, row in enumerate((7, 0, 3)):
        assert torch.equal(out[:, t], x[:, t] + pe.table[row])


def test_an_absolute_encoding_does_not_ignore_a_shift() -> None:
    model, x = stack(pe="learned"), tokens()
    assert (model(x, pos=torch.arange(9)) - model(x, pos=torch.arange(9) + 20)).abs().max() > 1e-6


def test_positions_beyond_the_table_are_refused() -> None:
    pe = Learned(dim=4, heads=1, max_len=10)
    with pytest.raises(ValueError, match="positions 0 to 9, not for 0 to 10"):
        pe.embed(torch.zeros(1, 11, 4), Context(torch.arange(11)))


def test_the_rows_have_the_spread_asked_for() -> None:
    torch.manual_seed(0)
    assert abs(float(Learned(dim=100, heads=1, max_len=1000, std=0.3).table.detach().std()) - 0.3) < 0.005
