"""Talking heads: scores and weights mixed over the heads."""

import math

import torch

from stackcli.attention.talking import Talking
from tests.factory import padding, part, stack, tokens


def test_scores_are_mixed_before_the_softmax_and_weights_after_it() -> None:
    model = stack(attention=part("talking", std=0.5), depth=1, pe="none", causal=True)
    attention = model.stack[0].attention
    pattern = attention.pattern
    assert isinstance(pattern, Talking) and model.kernel == "explicit"
    x, lengths = torch.randn(2, 6, 16, dtype=torch.float64), [6, 4]
    _, ctx = model.enter(tokens(2, 6), padding(lengths, 6), None, None)
    out, qkv = attention(x, ctx, model.pe), attention.qkv(x)
    q, k, v = (qkv[..., i * 16 : i * 16 + 16].view(2, 6, 2, 8) for i in range(3))
    for b, n in enumerate(lengths):
        for i in range(n):
            scores = torch.einsum("he,jhe->hj", q[b, i], k[b, : i + 1]) / math.sqrt(8)
            mixed = torch.stack([sum(pattern.before[h, g] * scores[g] for g in range(2)) for h in range(2)])  # type: ignore[misc]
            exponentials = mixed.exp()
            weights = exponentials / exponentials.sum(-1, keepdim=True)
            after = torch.stack([sum(pattern.after[h, g] * weights[g] for g in range(2)) for h in range(2)])  # type: ignore[misc]
            expected = attention.out(torch.einsum("hj,jhe->he", after, v[b, : i + 1]).flatten())
            assert (out[b, i] - expected).abs().max() < 1e-12


def test_maps_that_are_the_identity_are_full_attention() -> None:
    model, full = stack(attention="talking", depth=2), stack(attention="full", depth=2, kernel="explicit")
    with torch.no_grad():
        for block in model.stack:
            assert isinstance(block.attention.pattern, Talking)
            block.attention.pattern.before.copy_(torch.eye(2))
            block.attention.pattern.after.copy_(torch.eye(2))
    assert (model(tokens()) - full(tokens())).abs().max() < 1e-12


def test_the_maps_start_near_the_identity() -> None:
    patterns = [block.attention.pattern for block in stack(attention=part("talking", std=0.1), depth=30).stack]
    apart = torch.stack([p.before.detach() - torch.eye(2) for p in patterns if isinstance(p, Talking)])
    assert len(apart) == 30 and 0.08 < float(apart.std()) < 0.12 and abs(float(apart.mean())) < 0.04
