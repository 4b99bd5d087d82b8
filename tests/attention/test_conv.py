"""A window over tokens and heads, in one softmax."""

import math

import pytest
import torch
from torch import Tensor

from stackcli.attention.conv import Conv
from stackcli.diagnostics.layer_statistics import record_traces
from stackcli.pe.base import Context
from tests.attention import dense, oracle
from tests.factory import padding, part, stack, tokens


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("across", [0, 1, 2, 9])
def test_a_head_sums_over_near_tokens_of_near_heads(across: int, causal: bool) -> None:
    model = stack(attention=part("conv", reach=2, across=across), depth=1, heads=4, causal=causal, pe="none")
    attention = model.stack[0].attention
    x, lengths = torch.randn(2, 7, 16, dtype=torch.float64), [7, 4]
    found = attention(x, Context(torch.arange(7), padding(lengths, 7), causal=causal), model.pe)
    q, k, v = attention.qkv(x).view(2, 7, 3, 4, 4).unbind(2)  # (B, T, H, E) each
    for b, n in enumerate(lengths):
        for i in range(n):
            heads = []
            for h in range(4):
                seen = [
                    (j, g)
                    for j in range(n)
                    for g in range(4)
                    if abs(i - j) <= 2 and abs(h - g) <= across and (j <= i or not causal)
                ]
                factors = [math.exp(float((q[b, i, h] @ k[b, j, g]).detach()) / 2) for j, g in seen]
                heads.append(sum(f * v[b, j, g] for f, (j, g) in zip(factors, seen, strict=True)) / sum(factors))
            assert (found[b, i] - attention.out(torch.cat(heads))).abs().max() < 1e-12


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("kernel", ["auto", "explicit"])
@pytest.mark.parametrize("pe", ["rope", "alibi", "relative", "xl", "t5"])
def test_the_bias_is_that_of_the_querys_head(pe: str, kernel: str, cut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if cut:
        monkeypatch.setattr(Conv, "short", 0)
        monkeypatch.setattr(Conv, "share", 0)
    keys = {"dim": 32, "heads": 4, "pe": pe, "depth": 1, "kernel": kernel}
    model = stack(attention=part("conv", reach=3, across=1), **keys)
    attention, own = model.stack[0].attention, model.stack[0].own or model.pe
    x, mask = torch.randn(3, 21, 32, dtype=torch.float64), padding([21, 11, 1], 21)
    ctx = Context(torch.arange(21), mask)
    expected = dense.attend("conv", attention, x, ctx, own)
    assert (attention(x, ctx, own) - expected)[mask].abs().max() < 1e-12


def test_without_other_heads_it_is_a_window() -> None:
    for across, heads in ((0, 2), (3, 1)):
        own, window = (stack(attention=kind, pe="alibi" if heads == 2 else "none", heads=heads) for kind in (
            part("conv", reach=2, across=across), part("window", reach=2)
        ))  # fmt: skip
        assert torch.equal(own(tokens()), window(tokens()))


def test_recorded_weights_are_summed_over_the_heads_seen() -> None:
    model = stack(attention=part("conv", reach=1, across=1), depth=1, pe="none", heads=4)
    with torch.no_grad():
        model.stack[0].attention.qkv.weight[:32] = 0  # equal scores
    with record_traces(model) as tape:
        model(tokens(2, 6))
    weights = tape.attention[1]
    near = torch.tensor([[abs(i - j) <= 1 for j in range(6)] for i in range(6)]).double()
    assert weights.shape == (2, 4, 6, 6) and (weights - near / near.sum(1, keepdim=True)).abs().max() < 1e-15


def test_a_causal_stack_reaches_back_one_window_a_layer_and_changes_no_earlier_bit() -> None:
    model = stack(attention=part("conv", reach=2, across=1), causal=True, depth=2, pe="none")
    for t, seen in enumerate(oracle.reached(model, 12)):
        assert seen == {s for s in range(12) if t - 4 <= s <= t}
    x, outputs = tokens(2, 40), list[Tensor]()
    model.stack[-1].register_forward_hook(lambda module, inputs, output: outputs.append(output))
    for t in (1, 3, 15, 31, 32):
        other = x.clone()
        other[:, t] = other[:, t] % 29 + 1
        outputs.clear()
        model(x), model(other)
        assert torch.equal(outputs[0][:, :t], outputs[1][:, :t])
