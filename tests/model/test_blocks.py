"""Blocks, compared with PyTorch's `TransformerEncoderLayer`."""

import math

import pytest
import torch

from stackcli.pe.base import Context
from tests.factory import padding, stack
from tests.model.examples import KERNELS, feed_of, gradient, pairs, reference

LENGTHS = [9, 5, 1]


@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("residual", ["pre", "post"])
def test_blocks_and_their_gradients_equal_pytorchs(
    residual: str, causal: bool, dtype: torch.dtype, tolerance: float
) -> None:
    model = stack(residual=residual, causal=causal, pe="none").to(dtype)
    theirs = reference(model, before=residual == "pre", dtype=dtype)
    x = torch.randn(3, 9, 16, dtype=dtype, generator=torch.Generator().manual_seed(0))
    mask = padding(LENGTHS, 9)
    ours_in, theirs_in = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, ctx = ours_in, Context(torch.arange(9), mask)
    for block in model.stack:
        y = block(y, ctx, model.pe)
    y = y if model.closing is None else model.closing(y, mask)
    future = torch.ones(9, 9, dtype=torch.bool).triu(1) if causal else None
    z = theirs(theirs_in, mask=future, src_key_padding_mask=~mask)
    assert (y - z)[mask].abs().max() < tolerance
    y[mask].square().sum().backward()
    z[mask].square().sum().backward()
    assert (gradient(ours_in) - gradient(theirs_in)).abs().max() < tolerance * 100
    ours, other = pairs(model.stack[0], theirs.layers[0])[0]
    assert (gradient(ours) - gradient(other)).abs().max() < tolerance * 1000


@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("residual", ["pre", "post"])
def test_the_gradient_of_every_parameter_equals_pytorchs(
    residual: str, causal: bool, padded: bool, kernel: str, dtype: torch.dtype, tolerance: float
) -> None:
    model = stack(residual=residual, causal=causal, pe="none", kernel=kernel).to(dtype)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:  # gains of 1 and offsets of 0 would hide a mistake
                p.add_(torch.randn(p.shape, dtype=dtype, generator=draw), alpha=0.3)
    theirs = reference(model, before=residual == "pre", dtype=dtype)
    both = [pair for own, other in zip(model.stack, theirs.layers, strict=True) for pair in pairs(own, other)]
    for ours, other in both:
        other.data.copy_(ours.data)
    x = torch.randn(3, 9, 16, dtype=dtype, generator=draw)
    goal = torch.randn(3, 9, 16, dtype=dtype, generator=draw)
    mask = padding(LENGTHS, 9) if padded else None
    real = torch.ones(3, 9, dtype=torch.bool) if mask is None else mask
    y, ctx = x, Context(torch.arange(9), mask)
    for block in model.stack:
        y = block(y, ctx, model.pe)
    y = y if model.closing is None else model.closing(y, mask)
    future = torch.ones(9, 9, dtype=torch.bool).triu(1) if causal else None
    z = theirs(x, mask=future, src_key_padding_mask=None if mask is None else ~mask)
    assert (y - z)[real].abs().max() < tolerance
    (y - goal)[real].square().mean().backward()
    (z - goal)[real].square().mean().backward()
    assert len(both) == 24
    for ours, other in both:
        assert (gradient(ours) - gradient(other)).abs().max() < tolerance


def test_ff_0_leaves_out_the_feed_forward_network() -> None:
    assert stack(ff=0.0).stack[0].feed is None
    assert {role for _, role, _, _ in stack(ff=0.0).maps()} == {"q", "k", "v", "o", "head"}


def test_a_block_drops_its_two_branches_independently_and_keeps_the_mean() -> None:
    p, n = 0.3, 4000
    model = stack(depth=1, layer_drop=p, pe="none", norm="none")
    block, ctx = model.stack[0], Context(torch.arange(2))
    feed = feed_of(block)
    x = torch.randn(1, 2, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        attended = block.attention(x, ctx, model.pe)
        after = {a: x + a * attended / (1 - p) for a in (0, 1)}
        cases = {(a, f): after[a] + f * feed(after[a]) / (1 - p) for a in (0, 1) for f in (0, 1)}
        torch.manual_seed(0)
        y = block.train()(x.expand(n, 2, 16), ctx, model.pe)
        assert torch.equal(block.eval()(x, ctx, model.pe), x + attended + feed(x + attended))
    seen = 0
    for (a, f), expected in cases.items():
        share = (1 - p if a else p) * (1 - p if f else p)
        hits = int(((y - expected).abs().amax((1, 2)) < 1e-12).sum())
        assert abs(hits / n - share) < 5 * math.sqrt(share * (1 - share) / n), (a, f)
        seen += hits
    assert seen == n
    mean = (1 - p) * after[1] + p * after[0]
    assert (mean - (x + attended)).abs().max() < 1e-12
