"""A recurrent unit before attention: its states in loops, padding on either side, and what it adds."""

import pytest
import torch

from stackcli.attention.recurrent import Recurrent
from stackcli.model.compatibility import try_parts
from stackcli.model.stack import matrices
from tests.attention import dense
from tests.factory import config, padding, stack, tokens


def sides() -> list[torch.Tensor]:
    right = padding([9, 5, 1], 9)
    return [right, right.flip(1)]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("side", [0, 1])
def test_its_states_are_those_of_the_equations_at_real_tokens(side: int, causal: bool) -> None:
    torch.manual_seed(0)
    kind, mask = Recurrent(dim=6, causal=causal).double(), sides()[side]
    x = torch.randn(3, 9, 6, dtype=torch.float64)
    expected = dense.recurrent(kind, x, mask)
    assert (kind.prepare(x, mask) - expected)[mask].abs().max() < 1e-13
    whole = dense.recurrent(kind, x, torch.ones_like(mask))
    assert (kind.prepare(x, None) - whole).abs().max() < 1e-13


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("side", [0, 1])
def test_padding_is_never_read_whatever_it_holds(side: int, causal: bool) -> None:
    torch.manual_seed(0)
    kind, mask = Recurrent(dim=6, causal=causal).double(), sides()[side]
    x = torch.randn(3, 9, 6, dtype=torch.float64)
    for row, real in enumerate(mask):
        together, alone = kind.prepare(x, mask)[row][real], kind.prepare(x[row][real][None], None)[0]
        assert (together - alone).abs().max() < 1e-13
    found = []
    for bad in (0.0, float("nan"), float("inf")):
        spoilt = x.masked_fill(~mask[..., None], bad).requires_grad_()
        states = kind.prepare(spoilt, mask)
        grads = torch.autograd.grad(states[mask].sin().sum(), [spoilt, *kind.parameters()])
        found.append([states[mask], *grads])
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_a_text_of_padding_alone_has_finite_states_and_gradients() -> None:
    model = stack(attention="recurrent")
    model(tokens(2, 9), padding([9, 0], 9)).sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("pe", ["none", "rope", "relative"])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_on_its_states_is_full_attention(causal: bool, pe: str) -> None:
    model = stack(attention="recurrent", depth=1, causal=causal, pe=pe)
    attention, own, mask = model.stack[0].attention, model.stack[0].own or model.pe, padding([9, 5, 1], 9)
    x, ctx = model.enter(tokens(), mask, None, None)
    expected = dense.attend("recurrent", attention, x, ctx, own)
    assert (attention(x, ctx, own) - expected)[mask].abs().max() < 1e-13


def test_a_later_token_changes_no_bit_of_an_earlier_output() -> None:
    model, x, seen = stack(attention="recurrent", pe="none", causal=True, depth=2), tokens(2, 20), []
    model.stack[-1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    for t in (1, 3, 7, 15):
        other = x.clone()
        other[:, t] = other[:, t] % 29 + 1
        seen.clear()
        model(x), model(other)
        assert torch.equal(seen[0][:, :t], seen[1][:, :t]) and not torch.equal(seen[0][:, t], seen[1][:, t])


def test_layers_draw_units_of_their_own_whose_matrices_are_decayed() -> None:
    model = stack(attention="recurrent", depth=2)
    first, second = (block.attention.pattern for block in model.stack)
    assert isinstance(first, Recurrent) and isinstance(second, Recurrent)
    assert not torch.equal(*(kind.units.get_parameter("0.weight_ih_l0") for kind in (first, second)))
    decayed = {id(p) for p in matrices(model)}
    assert {p.dim() == 2 for p in first.parameters() if id(p) in decayed} == {True}
    assert all(id(p) in decayed for p in first.parameters() if p.dim() == 2)


def test_an_odd_width_has_no_two_halves() -> None:
    with pytest.raises(ValueError, match="needs an even dim, not dim=15"):
        try_parts(config(attention="recurrent", dim=15, heads=3, pe="none"))
    try_parts(config(attention="recurrent", dim=15, heads=3, pe="none", causal=True))
