"""A learned vector for each position."""

import pytest
import torch
import torch.nn.functional as F

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


def test_the_rows_have_the_given_standard_deviation() -> None:
    torch.manual_seed(0)
    assert abs(float(Learned(dim=100, heads=1, max_len=1000, std=0.3).table.detach().std()) - 0.3) < 0.005


def test_it_equals_an_embedding_of_positions_that_may_differ_between_sequences() -> None:
    model, x = stack(pe="learned"), tokens(2, 4)
    assert isinstance(model.pe, Learned)
    pos, seen = torch.tensor([[0, 1, 2, 3], [63, 5, 5, 0]]), []
    model.stack[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model(x, pos=pos)
    assert len(seen) == 1 and torch.equal(seen[0], model.embedding.weight[x] + F.embedding(pos, model.pe.table))


def test_only_rows_that_were_used_get_a_gradient() -> None:
    model = stack(pe="learned")
    model(tokens(2, 9)).square().sum().backward()
    assert isinstance(model.pe, Learned) and model.pe.table.grad is not None
    used = model.pe.table.grad.abs().sum(-1) > 0
    assert used[:9].all() and not used[9:].any()


@pytest.mark.parametrize("pos", [[-1, 0], [0, 64], [10**6, 0]])
def test_the_stack_refuses_positions_that_the_table_lacks(pos: list[int]) -> None:
    with pytest.raises(ValueError, match="positions 0 to 63"):
        stack(pe="learned")(tokens(1, 2), pos=torch.tensor(pos))


def test_a_sequence_longer_than_the_table_is_refused_and_one_as_long_is_not() -> None:
    model = stack(pe="learned")
    assert model(tokens(1, 64)).isfinite().all()
    with pytest.raises(ValueError, match="learned has rows for positions 0 to 63, not for 0 to 64"):
        model(tokens(1, 65))
