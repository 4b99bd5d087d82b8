"""Operations and parameters, compared with closed forms and PyTorch's counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from stackcli.common import registry
from stackcli.model import cost
from stackcli.model.build import build
from tests.factory import config, part, stack, tokens
from tests.model.examples import PES

TINY = {"dim": 16, "heads": 2, "ff": 2.0, "kernel": "explicit", "pe": "none"}


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("ff", [0.0, 2.0])
def test_flops_equal_pytorchs_counter(pe: str, ff: float) -> None:
    model, T = stack(pe=pe, ff=ff, kernel="explicit").float(), 11
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(tokens(1, T))
    assert cost.flops(config(dim=16, heads=2, ff=ff), model, T) == counter.get_total_flops()


@pytest.mark.parametrize(
    "pe", [n for n in registry.part_names("pe") if "randomised" in registry.part_keys(registry.load_part("pe", n))]
)
def test_flops_with_randomised_positions_equal_pytorchs_counter(pe: str) -> None:
    model, T = stack(pe=part(pe, randomised=True, range=40), kernel="explicit").float(), 11
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(tokens(1, T))
    assert cost.flops(config(dim=16, heads=2, ff=2.0), model, T) == counter.get_total_flops()


@pytest.mark.parametrize("clip", [0, 3, 40])
@pytest.mark.parametrize("keys,values", [(True, True), (True, False), (False, True)])
def test_the_encodings_flops_equal_pytorchs_counter_at_every_depth(clip: int, keys: bool, values: bool) -> None:
    pe = part("relative", clip=clip, keys=keys, values=values)
    for depth, length in ((1, 1), (3, 7)):
        model = stack(pe=pe, depth=depth, ff=1.5, kernel="explicit").float()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(tokens(1, length))
        closed = cost.flops(config(dim=16, heads=2, ff=1.5, depth=depth), model, length)
        D, F_, E, rows = 16, 24, 8, 2 * clip + 1
        own = (keys + values) * 2 * 2 * length * E * rows  # two heads, each (T, E) by (E, rows)
        by_hand = depth * (8 * length * D**2 + 4 * length**2 * D + 4 * length * D * F_ + own) + 2 * D * 3
        assert closed == counter.get_total_flops() == by_hand


def test_the_numbers_of_parameters_equal_the_closed_form() -> None:
    D, F_, L, V, C = 16, 32, 2, 30, 3
    block = 4 * D * D + 4 * D + 2 * D * F_ + D + F_ + 4 * D
    every, tables = cost.count(stack(pe="learned"))
    assert every == L * block + V * D + 64 * D + 2 * D + D * C + C
    assert tables == V * D + 64 * D
    assert cost.count(stack(pe="none"))[1] == V * D


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("residual", ["pre", "post", "none"])
@pytest.mark.parametrize("norm", ["layer", "rms"])
@pytest.mark.parametrize("ff", [0.0, 2.0])
def test_the_parameters_of_every_combination_equal_the_closed_form(
    pe: str, residual: str, norm: str, ff: float
) -> None:
    D, L, V, C, H, longest = 16, 3, 30, 3, 2, 64
    hidden, gains = int(ff * D), {"layer": 2 * D, "rms": D}[norm]
    table = {"none": 0, "sinusoidal": 0, "learned": longest * D, "relative": L * 2 * 33 * (D // H)}[pe]
    feed = 2 * D * hidden + hidden + D + gains if hidden else 0
    closing = 0 if residual == "post" else gains
    expected = L * (4 * D * D + 4 * D + gains + feed) + closing + V * D + table + D * C + C
    assert cost.count(stack(pe=pe, residual=residual, norm=norm, ff=ff, depth=L)) == (expected, V * D + table)


@pytest.mark.parametrize("pe", ["learned", "relative"])
def test_shared_layers_have_the_parameters_of_one_layer_and_the_operations_of_all(pe: str) -> None:
    one = cost.count(stack(pe=pe, depth=1))
    for depth in (1, 2, 7):
        shared = stack(pe=pe, depth=depth, share_layers=True)
        assert cost.count(shared) == one
        c = config(dim=16, heads=2, ff=2.0, depth=depth)
        assert cost.flops(c, shared, 9) == cost.flops(c, stack(pe=pe, depth=depth), 9)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "kind", ["softmax1", "sink", "gated", "talking", "linear", "lowrank", "hierarchical", "conv", "recurrent"]
)
def test_the_flops_of_kinds_of_attention_equal_pytorchs_counter(kind: str, causal: bool) -> None:
    if kind == "lowrank" and causal:
        pytest.skip("it is refused")
    for length in (1, 11, 70, 300) if kind in ("hierarchical", "conv") else (1, 11, 70):
        model = build(config(**TINY, attention=kind, causal=causal), vocab=30, classes=3, max_len=70).float().eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.ones(1, length, dtype=torch.long))
        assert cost.flops(config(**TINY, attention=kind, causal=causal), model, length) == counter.get_total_flops()


def test_a_gate_and_maps_over_heads_are_counted_as_parameters() -> None:
    full = cost.count(stack(attention="full"))[0]
    added = {
        "gated": 2 * (16 * 16 + 16),
        "talking": 2 * 2 * 2 * 2,
        "sink": 2 * 2,
        "softmax1": 0,
        "linear": 0,
        "conv": 0,
    }
    added["recurrent"] = 2 * 2 * 3 * (8 * 16 + 8 * 8 + 2 * 8)
    assert {kind: cost.count(stack(attention=kind))[0] - full for kind in added} == added
