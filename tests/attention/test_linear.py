"""Linear attention: sums in loops, chunks, padding, and what it cannot take."""

import math
from typing import Any

import pytest
import torch

from stackcli.attention.linear import CHUNK, Linear
from stackcli.model.compatibility import try_parts
from tests.factory import config, padding, stack, tokens


def linear(causal: bool) -> Linear:
    return Linear(dim=8, heads=2, causal=causal)


def phi(x: float) -> float:
    return x + 1 if x > 0 else math.exp(x)


@pytest.mark.parametrize("causal", [False, True])
def test_a_tokens_output_is_the_weighted_mean_with_products_of_features(causal: bool) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 1, 6, 3, dtype=torch.float64) for _ in range(3))
    lengths = [6, 4]
    found = linear(causal).attend(q, k, v, padding(lengths, 6))
    for b, n in enumerate(lengths):
        for i in range(n):
            seen = range(i + 1 if causal else n)
            factors = [
                sum(phi(float(a)) * phi(float(c)) for a, c in zip(q[b, 0, i], k[b, 0, j], strict=True)) for j in seen
            ]
            for e in range(3):
                expected = sum(f * float(v[b, 0, j, e]) for f, j in zip(factors, seen, strict=True)) / sum(factors)
                assert float(found[b, 0, i, e]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("length", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_the_sums_equal_the_attention_weights_times_the_values_in_outputs_and_gradients(
    length: int, causal: bool
) -> None:
    torch.manual_seed(1)
    given = [torch.randn(3, 2, length, 4, dtype=torch.float64) for _ in range(3)]
    mask, found = padding([length, max(1, length // 2), 0], length), []
    for dense in (False, True):
        q, k, v = (x.clone().requires_grad_() for x in given)
        kind = linear(causal)
        out = kind.weights(q, k, mask) @ v if dense else kind.attend(q, k, v, mask)
        out.sin().sum().backward()  # type: ignore[no-untyped-call]
        found.append([out, q.grad, k.grad, v.grad])
    assert all(bool(a.isfinite().all()) and (a - b).abs().max() < 1e-10 for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("causal", [False, True])
def test_a_text_has_the_same_answer_alone_and_in_a_padded_batch(causal: bool) -> None:
    model, lengths = stack(attention="linear", pe="learned", causal=causal), [9, 5, 1]
    together = model(tokens(), padding(lengths, 9))
    alone = torch.cat([model(tokens()[i : i + 1, :n]) for i, n in enumerate(lengths)])
    assert (together - alone).abs().max() < 1e-12


def test_a_later_token_changes_no_bit_of_an_earlier_output() -> None:
    model, x, seen = stack(attention="linear", pe="none", causal=True, depth=2), tokens(2, 20), []
    model.stack[-1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    for t in (1, 3, 7, 15):
        other = x.clone()
        other[:, t] = other[:, t] % 29 + 1
        seen.clear()
        model(x), model(other)
        assert torch.equal(seen[0][:, :t], seen[1][:, :t]) and not torch.equal(seen[0][:, t], seen[1][:, t])


@pytest.mark.parametrize("changes", [{"pe": "alibi"}, {"pe": "relative"}, {"pe": "t5"}, {"pe": "rope"}])
def test_encodings_that_work_on_scores_are_refused(changes: dict[str, Any]) -> None:
    said = f"pe={changes['pe']} works on the scores of attention; attention=linear has none"
    with pytest.raises(ValueError, match=said):
        try_parts(config(attention="linear", **changes))


def test_encodings_of_tokens_are_taken_and_attention_dropout_is_refused() -> None:
    for pe in ("none", "learned", "sinusoidal", "conv"):
        try_parts(config(attention="linear", pe=pe))
    with pytest.raises(ValueError, match="attention_dropout needs attention weights"):
        try_parts(config(attention="linear", attention_dropout=0.1))
