"""The fused training pass of a block equals the pass through its modules: outputs, gradients, and dropout."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stackcli.common import registry
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import Context
from tests.factory import padding, part, stack

LENGTHS = [9, 5, 1]


def passes(model: StackedAttention, *, fused: bool, padded: bool = True) -> list[Tensor]:
    """The output of the last block and all gradients, with the same dropout in every call."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(3, 9, 16, dtype=torch.float64, generator=draw, requires_grad=True)
    goal = torch.randn(3, 9, 16, dtype=torch.float64, generator=draw)
    mask = padding(LENGTHS, 9) if padded else None
    ctx, y = Context(torch.arange(9), mask, causal=model.stack[0].attention.causal), x
    model.zero_grad()
    torch.manual_seed(1)
    for block in model.stack:
        block.fused = fused
        y = block(y, ctx, model.pe)
    (y - goal)[mask if mask is not None else ...].square().mean().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    return [y.detach(), x.grad, *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


def varied(model: StackedAttention) -> StackedAttention:
    """The model in training, with gains other than 1 and offsets other than 0, which would hide a mistake."""
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=draw), alpha=0.1)
    return model.double().train()


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("residual", ["pre", "post"])
def test_it_equals_the_pass_through_the_modules(residual: str, causal: bool, padded: bool, dropout: float) -> None:
    model = varied(stack(residual=residual, causal=causal, dropout=dropout, attention_dropout=dropout, depth=3))
    assert all(block.fused for block in model.stack)
    fused, plain = (passes(model, fused=fused, padded=padded) for fused in (True, False))
    assert len(fused) == len(plain) == 2 + 3 * 12
    assert all((a - b).abs().max() < 1e-12 for a, b in zip(fused, plain, strict=True))


@pytest.mark.parametrize("residual", ["pre", "post"])
@pytest.mark.parametrize("pe", ["rope", "relative", "alibi", "t5"])
def test_it_equals_the_pass_through_the_modules_with_encodings_of_scores(residual: str, pe: str) -> None:
    model = varied(stack(residual=residual, pe=pe, dropout=0.2))
    fused, plain = (passes(model, fused=fused) for fused in (True, False))
    assert all((a - b).abs().max() < 1e-12 for a, b in zip(fused, plain, strict=True))


def test_layers_that_share_weights_sum_their_gradients() -> None:
    model = varied(stack(share_layers=True, depth=3, dropout=0.2))
    fused, plain = (passes(model, fused=fused) for fused in (True, False))
    assert len(fused) == 2 + 12
    assert all((a - b).abs().max() < 1e-12 for a, b in zip(fused, plain, strict=True))


CASES: dict[str, dict[str, Any]] = {
    "another norm": {"norm": "rms"},
    "no feed-forward network": {"ff": 0.0},
    "layer drop": {"layer_drop": 0.3},
    "a gate": {"attention": part("gated")},
    **{name: {"residual": name} for name in registry.part_names("residual") if name not in ("pre", "post")},
}


@pytest.mark.parametrize("case", CASES)
def test_other_blocks_are_left_to_their_modules(case: str) -> None:
    assert not any(block.fused for block in stack(**CASES[case]).stack)


def test_evaluation_uses_the_modules_so_that_hooks_see_them() -> None:
    model, seen = stack(depth=2), []
    model.stack[1].attention.out.register_forward_hook(lambda *now: seen.append(now[-1].shape))
    model.eval()(torch.ones(2, 5, dtype=torch.long))
    assert seen == [(2, 5, 16)]


def test_the_written_derivatives_pass_pytorchs_numerical_check() -> None:
    from stackcli.model.fused_block import NormedMap, after_attention

    draw = torch.Generator().manual_seed(3)

    def number(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=draw, requires_grad=True)

    def run_map(x: Tensor, gain: Tensor, offset: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return NormedMap.apply(x, gain, offset, 1e-5, weight, bias)  # type: ignore[no-any-return, no-untyped-call]

    x, y = number(2, 3, 4), number(2, 3, 4)
    assert torch.autograd.gradcheck(run_map, (x, number(4), number(4), number(5, 4), number(5)))
    for before in (True, False):
        block = stack(dim=4, heads=2, residual="pre" if before else "post", depth=1).double().stack[0]
        assert block.feed is not None and block.feed_join is not None
        norms: Any = [block.feed_join.norm] if before else [block.join.norm, block.feed_join.norm]
        maps = [block.attention.out, block.feed.ff1, block.feed.ff2]
        for p in block.parameters():
            p.requires_grad_(False)
        kept = torch.tensor([0.0, 2.0], dtype=torch.float64).repeat(12).view(2, 3, 4)

        def run(x: Tensor, y: Tensor) -> Tensor:
            return after_attention(x, y, kept, kept.flip(0), before=before, norms=norms, maps=maps)  # noqa: B023

        assert torch.autograd.gradcheck(run, (x, y))
