"""Every kind of attention with every position encoding equals its definition over all pairs of tokens, written out in
tests/attention/dense.py, in outputs and gradients; and what must hold of all of them."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from stackcli.attention.base import Pattern
from stackcli.common import registry
from stackcli.model.build import build
from stackcli.model.compatibility import try_parts
from stackcli.model.stack import StackedAttention
from tests.attention import dense
from tests.factory import config, padding, part

REACH = 4
KINDS: dict[str, dict[str, Any]] = {
    "window": {"reach": REACH},
    "dilated": {"reach": 2, "gap": 3},
    "strided": {"stride": 6},
    "fixed": {"stride": 7, "summary": 2},
    "global": {"reach": 3, "tokens": 5},
    "blocks": {"block": 5, "reach": 1, "globals": 1, "random": 2},
    "hierarchical": {"chunk": REACH},
    "conv": {"reach": REACH, "across": 1},
    "lowrank": {"rows": 3},
    "sink": {"start": 0.5},
    "talking": {"std": 0.3},
    **{name: {} for name in ("full", "gated", "linear", "softmax1", "recurrent")},
}
SPARSE = ("window", "dilated", "strided", "fixed", "global", "blocks", "hierarchical", "conv")
PES = (*registry.part_names("pe"), "structural absolute")
ALL_PAIRS = ("cope", "structural")  # encodings that need the scores of all pairs
OF_SCORES = (*ALL_PAIRS, "alibi", "fire", "kerple", "relative", "rope", "t5", "xl")
LENGTHS = (1, 2, REACH - 1, REACH, REACH + 1, 2 * REACH - 1, 63, 127, 128, 129)
WAYS = (  # explicit, `short`, recorded
    (False, 0, False),
    (True, 0, False),
    (False, 256, False),
    (True, 256, False),
    (True, 256, True),
)
PAIRS = [(kind, pe) for kind in registry.part_names("attention") for pe in PES]


def refused(kind: str, pe: str, causal: bool) -> bool:
    no_scores = kind in ("linear", "lowrank") and pe in OF_SCORES
    hidden = (kind, pe) == ("talking", "alibi")  # minus infinity cannot be mixed over heads
    return no_scores or hidden or (kind in SPARSE and pe in ALL_PAIRS) or (kind == "lowrank" and causal)


def changes(kind: str, pe: str, causal: bool, **more: Any) -> dict[str, Any]:
    encoding: Any = part("structural", form="absolute") if pe == "structural absolute" else pe
    sizes = {"dim": 8, "heads": 2, "ff": 1.0, "dropout": 0.0, "depth": 1}
    return {**sizes, "attention": part(kind, **KINDS[kind]), "pe": encoding, "causal": causal, **more}


def model_of(kind: str, pe: str, causal: bool, **more: Any) -> StackedAttention:
    c = config(**changes(kind, pe, causal, **more))
    return build(c, vocab=30, classes=3, max_len=129, every=True).double().eval()


def batch(T: int, rows: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, a tree, and a mask: the first text without padding, the second before and the third after padding."""
    x = torch.randint(1, 30, (rows, T), generator=torch.Generator().manual_seed(T))
    tree = ((torch.arange(T) - 1) // 2).clamp(min=0).expand(rows, T)
    right = padding([max(1, T // 2)], T)
    mask = torch.cat((torch.ones(1, T, dtype=torch.bool), right, padding([max(1, 2 * T // 3)], T).flip(1)))
    return x, tree, mask


def outcome(model: StackedAttention, x: Tensor, mask: Tensor | None, tree: Tensor, kind: str = "") -> list[Tensor]:
    """The output of attention at real tokens and the gradients of all parameters; by the oracle of a `kind`."""
    attention, pe = model.stack[0].attention, model.stack[0].own or model.pe
    h, ctx = model.enter(x, mask, None, tree)
    y = dense.attend(kind, attention, h, ctx, pe) if kind else attention(h, ctx, pe)
    real = y if mask is None else y[mask]
    wanted = [*attention.parameters(), *pe.parameters(), model.embedding.weight]
    grads = torch.autograd.grad(real.sin().sum(), wanted, allow_unused=True, materialize_grads=True)
    return [real.detach(), *grads]


def difference(a: list[Tensor], b: list[Tensor]) -> float:
    assert len(a) > 4 and [t.shape for t in a] == [t.shape for t in b]
    one, other = (torch.cat([t.flatten() for t in each]) for each in (a, b))
    assert one.isfinite().all() and other.isfinite().all()
    return float((one - other).abs().max())


def check_oracle(kind: str, pe: str, causal: bool, lengths: Sequence[int] = LENGTHS) -> tuple[int, float]:
    """Compares pieces, one mask and recorded weights, by both kernels, with the oracle; the cases and their largest
    error."""
    cases, worst = 0, 0.0
    model = model_of(kind, pe, causal)
    attention = model.stack[0].attention
    lengths = [T for T in lengths if T < 127 or kind != "recurrent" or pe == "none"]  # whose oracle is a slow loop
    for T in lengths:
        x, tree, mask = batch(T)
        for padded in (mask, None) if T in (2, lengths[-1]) else (mask,):
            expected = outcome(model, x, padded, tree, kind)
            ways = WAYS if T == 63 else WAYS[:1]
            for explicit, short, recorded in ways:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(Pattern, "short", short)
                    patch.setattr(Pattern, "share", 0)
                    attention.explicit, attention.dense = explicit, recorded
                    worst = max(worst, difference(outcome(model, x, padded, tree), expected))
                    cases += 1
    return cases, worst


# with every kind: none, and encodings that change scores, values, queries and keys
USUAL = ("none", "relative", "rope")
SOME = [
    pair if pair[0] == "full" or pair[1] in USUAL else pytest.param(*pair, marks=pytest.mark.slow) for pair in PAIRS
]


@pytest.mark.parametrize("kind,pe", SOME)
def test_outputs_and_gradients_equal_those_of_the_definition(kind: str, pe: str) -> None:
    for causal in (False, True):
        if refused(kind, pe, causal):
            with pytest.raises(ValueError, match=r"(works on|needs|mixes) the scores|mixes tokens of all places"):
                try_parts(config(**changes(kind, pe, causal)))
            continue
        try_parts(config(**changes(kind, pe, causal)))
        some = [T for T in LENGTHS if T not in (127, 128)] if pe == "none" else (1, 2, REACH, REACH + 1, 63)
        cases, worst = check_oracle(kind, pe, causal, some)
        assert cases >= 13 and worst < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("kind,pe", PAIRS)
def test_outputs_and_gradients_equal_those_of_the_definition_at_every_length(kind: str, pe: str) -> None:
    for causal in (False, True):
        if not refused(kind, pe, causal):
            cases, worst = check_oracle(kind, pe, causal)
            assert cases >= 15 and worst < 1e-10


@pytest.mark.usefixtures("cut_short")
@pytest.mark.parametrize("kind,pe", SOME)
def test_nothing_leaks_from_later_tokens_other_texts_or_padding(kind: str, pe: str) -> None:
    for causal in (False, True):
        if not refused(kind, pe, causal):
            model = model_of(kind, pe, causal)
            check_batches(model)
            check_padding(model)
            if causal:
                check_causality(model)


def blocks_of(model: StackedAttention, x: Tensor, mask: Tensor | None, tree: Tensor) -> Tensor:
    h, ctx = model.enter(x, mask, None, tree)
    out: Tensor = model.stack[0](h, ctx, model.pe)
    return out


@torch.no_grad()
def check_batches(model: StackedAttention) -> None:
    """A text has the same output alone, in a padded batch, and again."""
    x, tree, _ = batch(23)
    mask = padding([23, 11, 1], 23)
    together = blocks_of(model, x, mask, tree)
    assert torch.equal(together, blocks_of(model, x, mask, tree))
    for rows in (slice(0, 1), slice(1, 3)):
        n = int(mask[rows].sum(1).max())
        apart = blocks_of(model, x[rows, :n], mask[rows, :n], tree[rows, :n])
        assert (apart - together[rows, :n])[mask[rows, :n]].abs().max() < 1e-12
    assert (blocks_of(model, x[1:2, :11], None, tree[1:2, :11]) - together[1, :11]).abs().max() < 1e-12


def check_padding(model: StackedAttention) -> None:
    """What padding holds changes no bit of outputs and gradients at real tokens, and a text of padding alone has finite
    gradients."""
    x, tree, mask = batch(23)
    mask = torch.cat((mask[1:], torch.zeros(1, 23, dtype=torch.bool)))
    x, found = x.masked_fill(~mask, 0), []
    for held in (0.0, float("nan"), float("inf")):
        with torch.no_grad():
            model.embedding.weight[0] = held
        out = blocks_of(model, x, mask, tree)[mask]
        wanted = [p for name, p in model.named_parameters() if not name.startswith("head")]
        found.append([out, *torch.autograd.grad(out.sin().sum(), wanted, allow_unused=True, materialize_grads=True)])
    with torch.no_grad():
        model.embedding.weight[0] = 0
    assert all(bool(t.isfinite().all()) for t in found[0])
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


@torch.no_grad()
def check_causality(model: StackedAttention) -> None:
    """A change of token t changes no bit of the outputs before it, and changes its own."""
    times = (1, 3, 7, 15, 31, 32, 63)
    x, tree, _ = batch(64, 1)
    x, tree = x.repeat(len(times), 1), tree.repeat(len(times), 1)
    other = x.clone()
    for row, t in enumerate(times):
        other[row, t] = other[row, t] % 29 + 1
    before, after = blocks_of(model, x, None, tree), blocks_of(model, other, None, tree)
    for row, t in enumerate(times):
        assert torch.equal(before[row, :t], after[row, :t]) and not torch.equal(before[row, t], after[row, t]), t
