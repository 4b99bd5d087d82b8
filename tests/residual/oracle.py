"""Shared by the tests of residual schemes: a stack with a scheme written out by hand. Schemes differ in `rule`, in the
norms at the ends of the stack, and in what the rule needs besides the norm: learned numbers or a second norm."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from stackcli.common import registry
from stackcli.norm.layer import Layer
from stackcli.pe.base import Context
from stackcli.residual.base import Residual
from tests.factory import part, stack, tokens

Map = Callable[[Tensor], Tensor]
Rule = Callable[..., Tensor]  # (stream, norm, branch, *own(join)) -> stream
Own = Callable[[Any], tuple[Any, ...]]


def normal(z: Tensor) -> Tensor:
    """Layer normalisation without gain and offset."""
    return (z - z.mean(-1, keepdim=True)) / (z.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()


def affine(module: Any) -> Map:
    """Layer normalisation with the gain and offset of a module."""
    return lambda z: normal(z) * module.weight + module.bias


def no_parameters(join: Any) -> tuple[Any, ...]:
    return ()


def stir(module: nn.Module, *where: str) -> None:
    """Adds noise to the learned numbers, because initial zeros and ones would hide a mistake."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, p in module.named_parameters():
            if any(word in key for word in where):
                p.add_(torch.randn(p.shape, dtype=p.dtype, generator=draw), alpha=0.3)


def build_join(name: str, *, dim: int = 4, depth: int = 2, branches: int = 4, layer: int = 1, **keys: Any) -> Residual:
    """Builds one join in float64."""
    sizes = {"dim": dim, "depth": depth, "branches": branches, "layer": layer}
    join: Residual = registry.build_part("residual", name, **sizes, norm=lambda: Layer(dim=dim), **keys)
    return join.double()


def check_join(name: str, rule: Rule, own: Own = no_parameters) -> None:
    """Checks one join of the second of three blocks, with a matrix as its branch."""
    torch.manual_seed(0)
    x, w = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(4, 4, dtype=torch.float64)
    join = build_join(name, depth=3, branches=6, layer=2)
    stir(join, "")
    norm = affine(join.norm)
    assert (join(x, lambda z: z @ w) - rule(x, norm, lambda z: z @ w, *own(join))).abs().max() < 1e-12


def check_stack(
    name: str, rule: Rule, *, closing: bool, opening: bool = False, own: Own = no_parameters, **keys: Any
) -> None:
    """Checks three blocks with random gains and offsets, a norm for every branch and, if `opening` or `closing`, one at
    that end of the stack."""
    model, x = stack(residual=part(name, **keys) if keys else name, depth=3, pe="none"), tokens()
    stir(model, "join", "closing", "opening")
    ctx = Context(torch.arange(9))
    logits, x = model(x), model.embedding.weight[x]
    assert (model.opening is not None) == opening
    x = affine(model.opening)(x) if opening else x
    for block in model.stack:
        x = rule(x, affine(block.join.norm), lambda h, b=block: b.attention(h, ctx, model.pe), *own(block.join))
        assert block.feed_join is not None and block.feed is not None
        x = rule(x, affine(block.feed_join.norm), block.feed, *own(block.feed_join))
    assert (model.closing is not None) == closing
    pooled = (affine(model.closing)(x) if closing else x).mean(1)
    assert (logits - (pooled @ model.head.weight.T + model.head.bias)).abs().max() < 1e-12
    assert len({id(join.norm) for block in model.stack for join in block.joins()}) == 6
