"""The convolution by loops; it shows the order of tokens without any index."""

import pytest
import torch

from stackcli.pe.base import Context
from stackcli.pe.conv import Conv
from tests.factory import padding, stack, tokens


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_the_weighted_sum_of_its_neighbours_is_added_to_a_token(causal: bool, kernel: int) -> None:
    torch.manual_seed(0)
    pe, x = Conv(dim=6, heads=2, max_len=9, kernel=kernel).double(), torch.randn(2, 7, 6, dtype=torch.float64)
    lengths = [7, 4]
    with torch.no_grad():
        pe.shift.normal_()
        out = pe.embed(x, Context(torch.arange(7), padding(lengths, 7), causal=causal))
    weight, shift = pe.weight.tolist(), pe.shift.tolist()
    for b, n in enumerate(lengths):
        for t in range(n):
            first = t - (kernel - 1 if causal else kernel // 2)
            for d in range(6):
                seen = sum(weight[d][0][s] * float(x[b, first + s, d]) for s in range(kernel) if 0 <= first + s < n)
                assert abs(float(out[b, t, d]) - float(x[b, t, d]) - seen - shift[d]) < 1e-12


def test_the_order_of_tokens_matters_and_their_positions_do_not() -> None:
    model, x = stack(pe="conv"), tokens()
    assert torch.equal(model(x), model(x, pos=torch.arange(9) * 7))
    assert float((model(x) - model(x.flip(1))).detach().abs().max()) > 1e-6


def test_a_causal_stack_never_sees_the_future_through_it() -> None:
    model = stack(pe="conv", causal=True)
    x = tokens()
    y = x.clone()
    y[:, 5:] = (y[:, 5:] + 7) % 29 + 1
    with torch.no_grad():
        one, two = (model.pe.embed(model.embedding(z), Context(torch.arange(9), causal=True)) for z in (x, y))
    assert torch.equal(one[:, :5], two[:, :5]) and not torch.equal(one[:, 5:], two[:, 5:])


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"odd pe\.kernel"):
        Conv(dim=6, heads=2, max_len=9, kernel=4)
