"""The join, by hand."""

import torch
from torch import nn

from stackcli import parts
from stackcli.pe.base import Context
from tests.factory import stack, tokens


def test_the_stream_after_a_branch_is_the_papers() -> None:
    torch.manual_seed(0)
    x, w = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(4, 4, dtype=torch.float64)
    join = parts.build("residual", "post", dim=4, depth=2, layer=1, norm=lambda: nn.LayerNorm(4).double())

    def norm(z: torch.Tensor) -> torch.Tensor:
        return (z - z.mean(-1, keepdim=True)) / (z.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()

    expected = norm(x + x @ w)
    assert (join(x, lambda z: z @ w) - expected).abs().max() < 1e-12
    assert join.closing_norm is False


def test_a_stack_of_three_blocks_is_the_papers_with_gains_and_offsets() -> None:
    model, x = stack(residual="post", depth=3, pe="none"), tokens()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "norm" in key or "closing" in key:
                p.add_(torch.randn(p.shape, dtype=p.dtype, generator=draw), alpha=0.3)
    ctx = Context(torch.arange(9))

    def norm(module: nn.Module, z: torch.Tensor) -> torch.Tensor:
        z = (z - z.mean(-1, keepdim=True)) / (z.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        return z * module.weight + module.bias

    said, x = model(x), model.embedding.weight[x]
    for block in model.stack:
        branches = (
            (block.join.norm, lambda h, b=block: b.attention(h, ctx, model.pe)),
            (block.feed_join.norm, block.feed),
        )
        for join, branch in branches:
            x = norm(join, x + branch(x))
    pooled = x.mean(1)
    assert (said - (pooled @ model.head.weight.T + model.head.bias)).abs().max() < 1e-12


def test_every_branch_has_a_norm_of_its_own() -> None:
    model = stack(residual="post", depth=3)
    norms = [join.norm for block in model.stack for join in (block.join, block.feed_join)]
    assert len({id(n) for n in norms}) == 6
    assert isinstance(model.closing, nn.Identity)
