"""Stacks whose layers differ in attention and encoding equal stacks put together by hand."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from stackcli.config.validation import attention_bytes
from stackcli.experiment.matched_cost import Asked, flops, params
from stackcli.model import cost
from stackcli.model.build import build
from stackcli.model.stack import StackedAttention
from tests.factory import config, part, stack, tokens

KINDS: dict[str, dict[str, Any]] = {
    "window": {"reach": 2},
    "full": {},
    "gated": {},
    "sink": {"start": 1.0},
    "hierarchical": {"chunk": 3},
    "talking": {"std": 0.1},
}


def listed(*names: str) -> Any:
    keys = {k: v for name in names for k, v in KINDS[name].items()}
    return part(names[0], layers=",".join(names), **keys)


def by_hand(names: tuple[str, ...], **changes: Any) -> StackedAttention:
    """Each block from a stack whose layers all have its kind."""
    stacks = {name: stack(attention=part(name, **KINDS[name]), depth=len(names), **changes) for name in names}
    made = stacks[names[0]]
    blocks = [stacks[name].stack[i] for i, name in enumerate(names)]
    made.blocks, made.stack = torch.nn.ModuleList(blocks), tuple(blocks)
    return made


@pytest.mark.parametrize("names", [("window", "full"), ("gated", "sink", "window"), ("full", "gated", "hierarchical")])
@pytest.mark.parametrize("pe", ["learned", "relative", "alibi"])
def test_layers_of_different_attention_equal_blocks_taken_from_stacks_of_one_kind(
    names: tuple[str, ...], pe: str
) -> None:
    repeated = (names * 3)[:5]
    model, expected = stack(attention=listed(*names), depth=5, pe=pe), by_hand(repeated, pe=pe)
    assert [type(b.attention.pattern).__name__.lower() for b in model.stack] == list(repeated)
    assert torch.equal(model(tokens(3, 17)), expected(tokens(3, 17)))


def test_encodings_by_layer_equal_blocks_that_are_given_them_by_hand() -> None:
    for names in (("rope", "none"), ("relative", "alibi", "none"), ("t5", "none", "xl")):
        model = stack(pe=part(names[0], by_layer=",".join(names)), depth=4)
        own = {name: stack(pe=name, depth=4) for name in names}
        x, ctx = model.enter(tokens(), None, None, None)
        assert torch.equal(x, stack(pe="none", depth=4).enter(tokens(), None, None, None)[0])
        for i, block in enumerate(model.stack):
            theirs = own[names[i % len(names)]]
            expected = theirs.stack[i](x, ctx, theirs.pe)
            x = block(x, ctx, model.pe)
            assert torch.equal(x, expected), (names, i)


def test_a_table_that_layers_share_is_shared_by_the_layers_with_that_encoding() -> None:
    model = stack(pe=part("t5", by_layer="t5,none,relative"), depth=6)
    first, _, third, fourth, _, sixth = (block.own for block in model.stack)
    assert first is fourth and third is not sixth
    one = sum(p.numel() for p in stack(pe="t5").pe.parameters())
    own = sum(p.numel() for b in stack(pe="relative", depth=2).stack for p in (b.own or b).parameters())
    plain = cost.count(stack(pe="none", depth=6))
    assert cost.count(model) == (plain[0] + one + own, plain[1] + one + own)


@pytest.mark.parametrize("names", [("window", "full"), ("gated", "full", "hierarchical")])
@pytest.mark.parametrize("pe", ["learned", part("relative", by_layer="relative,none"), part("xl", by_layer="xl,none")])
def test_flops_and_parameters_are_those_of_each_layer(names: tuple[str, ...], pe: Any) -> None:
    keys: dict[str, Any] = {"dim": 16, "heads": 2, "ff": 2.0, "kernel": "explicit", "depth": 4}
    c = config(**keys, pe=pe, attention=listed(*names))
    for T in (9, 300):
        model = build(c, vocab=30, classes=3, max_len=300).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.ones(1, T, dtype=torch.long))
        asked = Asked(out=3, every=False, length=T, max_len=300)
        assert cost.flops(c, model, T) == counter.get_total_flops() == flops(c, asked)
    total, tables = cost.count(model)
    assert params(c, asked) == total - tables
    works = [cost.attention_work(c, 300, layer).scores for layer in range(1, 5)]
    assert cost.all_scores(c, 300) == sum(works) and attention_bytes(c, 300, sum(works)) == sum(works) * 32 * 2 * 8


def test_the_kernel_says_what_all_layers_use() -> None:
    assert stack(attention=listed("window", "full"), pe="none").kernel == "fused"
    assert stack(attention=listed("full", "talking"), pe="none", depth=4).kernel == "fused, explicit"
    assert stack(attention=listed("full", "talking"), pe="relative").kernel == "explicit"
