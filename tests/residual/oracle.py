"""A residual scheme written out by hand: what its tests have in common. A scheme differs in `rule` and in its end."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stackcli import parts
from stackcli.norm.layer import Layer
from stackcli.pe.base import Context
from tests.factory import stack, tokens

Map = Callable[[Tensor], Tensor]
Rule = Callable[[Tensor, Map, Map], Tensor]  # stream, norm, branch -> stream


def normal(z: Tensor) -> Tensor:
    """Layer normalisation without gain and offset."""
    return (z - z.mean(-1, keepdim=True)) / (z.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()


def check_join(name: str, rule: Rule) -> None:
    """One join, with a matrix for its branch."""
    torch.manual_seed(0)
    x, w = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(4, 4, dtype=torch.float64)
    sizes = {"dim": 4, "depth": 2, "branches": 4, "layer": 1}
    join = parts.build("residual", name, **sizes, norm=lambda: Layer(dim=4).double())
    expected = rule(x, normal, lambda z: z @ w)
    assert (join(x, lambda z: z @ w) - expected).abs().max() < 1e-12


def check_stack(name: str, rule: Rule, *, closing: bool) -> None:
    """Three blocks with gains and offsets drawn at random, a norm for every branch and, where `closing`, one at the
    end."""
    model, x = stack(residual=name, depth=3, pe="none"), tokens()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "norm" in key or "closing" in key:
                p.add_(torch.randn(p.shape, dtype=p.dtype, generator=draw), alpha=0.3)
    ctx = Context(torch.arange(9))

    def own(module: nn.Module) -> Map:
        return lambda z: normal(z) * module.weight + module.bias

    said, x = model(x), model.embedding.weight[x]
    for block in model.stack:
        x = rule(x, own(block.join.norm), lambda h, b=block: b.attention(h, ctx, model.pe))
        x = rule(x, own(block.feed_join.norm), block.feed)
    pooled = (own(model.closing)(x) if closing else x).mean(1)
    assert (said - (pooled @ model.head.weight.T + model.head.bias)).abs().max() < 1e-12
    assert len({id(join.norm) for block in model.stack for join in (block.join, block.feed_join)}) == 6
