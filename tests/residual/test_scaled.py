"""Scaled residual: the same small weight on every branch."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from stackcli.model.build import build
from stackcli.pe.base import Context
from tests.factory import config, stack, tokens
from tests.residual import oracle


def rule(x: Tensor, norm: oracle.Map, branch: oracle.Map, branches: int = 6) -> Tensor:
    return x + branch(norm(x)) / math.sqrt(branches)


def test_the_stream_after_a_branch_equals_the_paper() -> None:
    oracle.check_join("scaled", rule)


def test_a_stack_of_three_blocks_equals_the_paper_with_gains_and_offsets() -> None:
    oracle.check_stack("scaled", rule, closing=True, opening=True)


def test_without_a_feed_forward_map_a_block_has_one_branch() -> None:
    model, x = stack(residual="scaled", depth=3, ff=0.0, pe="none"), tokens()
    oracle.stir(model, "join", "closing", "opening")
    logits, x = model(x), oracle.affine(model.opening)(model.embedding.weight[x])
    for block in model.stack:
        attention = partial(block.attention, ctx=Context(torch.arange(9)), pe=model.pe)
        x = rule(x, oracle.affine(block.join.norm), attention, branches=3)
    pooled = oracle.affine(model.closing)(x).mean(1)
    assert (logits - (pooled @ model.head.weight.T + model.head.bias)).abs().max() < 1e-12


@pytest.mark.parametrize("depth", [1, 8, 64])
def test_independent_branches_of_variance_1_add_1_in_total_at_every_depth(depth: int) -> None:
    D, draw = 256, torch.Generator().manual_seed(depth)
    x = torch.randn(1, 64, D, dtype=torch.float64, generator=draw)
    join, pre = (oracle.build_join(name, dim=D, depth=depth, branches=2 * depth) for name in ("scaled", "pre"))
    one, other = x, x
    with torch.no_grad():
        for _ in range(2 * depth):
            w = torch.randn(D, D, dtype=torch.float64, generator=draw) / D**0.5
            one, other = join(one, lambda z, w=w: z @ w), pre(other, lambda z, w=w: z @ w)
    assert abs(float(one.var()) - 2) < 0.1
    assert abs(float(other.var()) / (1 + 2 * depth) - 1) < 0.1


@pytest.mark.parametrize("depth", [32, 128])
def test_tokens_stay_distinct_at_any_depth_with_the_default_settings(depth: int) -> None:
    """If the branches add a total variance of 1 and are independent for each token, a unit token keeps a cosine of
    1 / sqrt(2) with itself. What the branches share between tokens makes tokens similar, by at most one half."""
    model = build(config(residual="scaled", depth=depth, dropout=0.0), vocab=500, classes=4, max_len=32).eval()
    x = torch.arange(1, 385).view(12, 32)
    with torch.no_grad():
        first, ctx = model.enter(x, None, None, None)
        last = first
        for block in model.stack:
            last = block(last, ctx, model.pe)
    same = torch.nn.functional.cosine_similarity(first, last, dim=-1).mean()
    unit = torch.nn.functional.normalize(last, dim=-1)
    pairs = unit @ unit.transpose(1, 2)
    others = (pairs.sum((1, 2)) - 32).mean() / (32 * 31)
    assert same > 0.5 and others < 0.1


def test_without_normalisation_token_vectors_stay_as_small_as_embed_std() -> None:
    kept = []
    for std in (0.05, 1.0):
        c = config(residual="scaled", norm="none", depth=32, dropout=0.0, embed_std=std)
        model = build(c, vocab=500, classes=4, max_len=32)
        assert model.opening is None or not list(model.opening.parameters())
        kept.append(float(model.enter(torch.arange(1, 33)[None], None, None, None)[0].square().mean().sqrt()))
    assert kept[0] < 0.1 and kept[1] > 0.9
