"""Two levels: near tokens one by one, far ones by the means of their chunks, each token counted once."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stackcli.diagnostics.layer_statistics import record_traces
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import Context
from tests.attention import dense
from tests.factory import padding, part, stack, tokens

LENGTHS = (1, 3, 4, 5, 12, 23)


def hierarchical(chunk: int = 4, **changes: Any) -> StackedAttention:
    return stack(attention=part("hierarchical", chunk=chunk), **{"pe": "none", **changes})


def values(attention: Any, x: Tensor) -> Tensor:
    return attention.qkv(x)[..., 32:].view(*x.shape[:2], 2, 8).transpose(1, 2)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pe", ["none", "rope", "alibi", "relative", "xl"])
def test_a_far_token_has_the_key_the_value_and_the_position_of_its_chunk(pe: str, causal: bool, kernel: str) -> None:
    model = hierarchical(pe=pe, causal=causal, kernel=kernel, depth=1)
    attention = model.stack[0].attention
    own = model.stack[0].own or model.pe
    for T in LENGTHS:
        x = torch.randn(3, T, 16, dtype=torch.float64)
        for mask in (None, padding([T, max(1, T // 2), 1], T)):
            ctx = Context(torch.arange(T), mask, causal=causal)
            found, expected = attention(x, ctx, own), dense.attend("hierarchical", attention, x, ctx, own)
            real = slice(None) if mask is None else mask
            assert (found[real] - expected[real]).abs().max() < 1e-12, T


@pytest.mark.parametrize("causal", [False, True])
def test_pieces_equal_all_pairs_at_once_and_the_recorded_weights_are_those_of_tokens(
    causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = hierarchical(causal=causal), tokens(3, 37)
    mask = padding([37, 22, 5], 37)
    model.stack[0].attention.drop.p = 0.0
    whole = model(x, mask)
    monkeypatch.setattr(type(model.stack[0].attention.pattern), "short", 0)
    monkeypatch.setattr(type(model.stack[0].attention.pattern), "share", 0)
    assert (model(x, mask) - whole).abs().max() < 1e-12
    with record_traces(model) as tape:
        assert (model(x, mask) - whole).abs().max() < 1e-12
    for layer, block in enumerate(model.stack, start=1):
        weights = tape.attention[layer]
        expected = (weights @ values(block.attention, tape.inputs[f"{layer}.qkv"])).transpose(1, 2).flatten(2)
        assert (tape.inputs[f"{layer}.o"] - expected)[mask].abs().max() < 1e-12
        assert (weights.sum(-1) - 1).transpose(1, 2)[mask].abs().max() < 1e-12
        assert not weights.masked_fill(mask[:, None, None], 0).transpose(1, 2)[mask].any()
        assert not causal or not weights.triu(1).any()


def test_equal_keys_give_every_token_the_same_weight() -> None:
    model = hierarchical(depth=1)
    with torch.no_grad():
        model.stack[0].attention.qkv.weight[16:32] = 0
    mask = padding([23, 10], 23)
    with record_traces(model) as tape:
        model(tokens(2, 23), mask)
    for row, n in enumerate((23, 10)):
        assert (tape.attention[1][row, :, :n, :n] - 1 / n).abs().max() < 1e-15


def test_a_sequence_of_two_chunks_is_full_attention() -> None:
    for T in (3, 7, 8):
        full = stack(attention="full", pe="none")(tokens(3, T))
        assert (hierarchical()(tokens(3, T)) - full).abs().max() < 1e-14
    assert (hierarchical()(tokens(3, 9)) - stack(attention="full", pe="none")(tokens(3, 9))).abs().max() > 1e-9


@pytest.mark.parametrize("cut", [False, True])
def test_a_later_token_changes_no_bit_of_an_earlier_output(cut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = hierarchical(causal=True, pe="alibi"), tokens(2, 40)
    if cut:
        monkeypatch.setattr(type(model.stack[0].attention.pattern), "short", 0)
        monkeypatch.setattr(type(model.stack[0].attention.pattern), "share", 0)
    seen: list[Tensor] = []
    model.stack[-1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    for t in (1, 3, 4, 7, 8, 15, 31, 32, 39):
        other = x.clone()
        other[:, t] = other[:, t] % 29 + 1
        seen.clear()
        model(x), model(other)
        assert torch.equal(seen[0][:, :t], seen[1][:, :t]) and not torch.equal(seen[0][:, t], seen[1][:, t]), t


@pytest.mark.parametrize("pe", ["none", "rope", "alibi"])
@pytest.mark.parametrize("causal", [False, True])
def test_a_text_has_the_same_output_alone_and_before_any_padding(causal: bool, pe: str) -> None:
    model, lengths = hierarchical(causal=causal, pe=pe), [29, 13, 1]
    x = tokens(3, 29)
    together = model(x, padding(lengths, 29))
    alone = torch.cat([model(x[i : i + 1, :n]) for i, n in enumerate(lengths)])
    assert (together - alone).abs().max() < 1e-12
