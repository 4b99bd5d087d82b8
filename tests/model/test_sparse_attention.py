"""Attention over pieces: which pairs they have, how many scores are computed, and dropout. That outputs and gradients
are right is tested for every kind in test_attention_oracle.py."""

from functools import cache
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from stackcli.attention.base import Pattern, Pieces
from stackcli.common import registry
from stackcli.model import cost
from stackcli.model.build import build
from stackcli.model.compatibility import try_parts
from stackcli.model.stack import StackedAttention
from stackcli.pe.base import PositionEncoding
from tests.factory import config, part, stack

pytestmark = pytest.mark.usefixtures("cut_short")

KINDS = {
    "window": part("window", reach=3),
    "wide window": part("window", reach=20),
    "dilated": part("dilated", reach=2, gap=3),
    "strided": part("strided", stride=6),
    "fixed": part("fixed", stride=7, summary=2),
    "global": part("global", reach=3, tokens=5),
    "blocks": part("blocks", block=5, reach=1, globals=1, random=2),
    "blocks alone": part("blocks", block=4, reach=0, globals=0, random=1),
}
PES = [name for name in registry.part_names("pe") if name not in ("cope", "structural")]
LENGTHS = (1, 2, 19, 20, 21, 63, 64, 65, 127, 128, 129)


@cache
def pattern_of(kind: str, causal: bool) -> Pattern:
    return stack(attention=KINDS[kind], depth=1, causal=causal).stack[0].attention.pattern


def pieces_of(kind: str, length: int, causal: bool) -> Pieces | None:
    return pattern_of(kind, causal).pieces(length, causal, torch.device("cpu"))


def long_stack(kind: str, *, pe: str, **changes: Any) -> StackedAttention:
    """A stack whose encoding covers 129 positions."""
    small = {"dim": 8, "heads": 2, "ff": 1.0, "dropout": 0.0, "depth": 2, "attention": KINDS[kind], "pe": pe, **changes}
    return build(config(**small), vocab=30, classes=3, max_len=129).double().eval()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_pieces_have_every_pair_that_is_seen_once_and_no_other(kind: str, causal: bool) -> None:
    for length in LENGTHS:
        check_pieces(kind, length, causal)


def check_pieces(kind: str, length: int, causal: bool) -> None:
    found = pieces_of(kind, length, causal)
    pattern = pattern_of(kind, False)
    at = torch.arange(length)
    seen = pattern.sees(at[:, None], at[None, :])
    assert bool(seen.diagonal().all())
    if causal:
        seen = seen.tril()
    if found is None:
        assert length < 6
        return
    count = torch.zeros(length, length, dtype=torch.long)
    for piece in found.pieces:
        for block in range(len(piece.queries)):
            q, k = piece.queries[block][:, None], piece.keys[block][None, :]
            count.index_put_((q.expand(-1, k.shape[1]), k.expand(len(q), -1)), piece.allowed[block].long(), True)
        assert not piece.allowed[piece.empty].any()
    assert torch.equal(count, seen.long())


def scored(kind: str, n: int, *, causal: bool, **keys: int) -> int:
    """How many pairs are seen, by counting the pieces."""
    pattern = registry.build_part("attention", kind, **keys)
    found = pattern.pieces(n, causal, torch.device("cpu"))
    return sum(int(piece.allowed.sum()) for piece in found.pieces)


def test_the_pairs_of_windows_of_4096_tokens_are_those_of_the_closed_form() -> None:
    assert scored("window", 4096, causal=True, reach=127) == 516_160  # 128 n - 128 * 127 / 2
    assert scored("window", 4096, causal=False, reach=128) == 1_036_160  # 257 n - 128 * 129


@pytest.mark.parametrize("causal", [False, True])
def test_computed_scores_grow_in_proportion_to_the_length_of_a_window(causal: bool) -> None:
    pattern = registry.build_part("attention", "window", reach=64)
    counts = [pattern.sizes(n, causal)[2] for n in (1024, 2048, 4096)]
    assert counts[2] == 2 * counts[1] == 4 * counts[0] == 4096 * (64 + 64 * (1 if causal else 2))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_flops_equal_pytorchs_counter(kind: str, causal: bool) -> None:
    for pe in ("none", "mlp", "alibi", "relative", "fire", "xl"):  # what they compute grows with T, T^2 or the pieces
        check_flops(kind, pe, causal)


def check_flops(kind: str, pe: str, causal: bool) -> None:
    model = long_stack(kind, pe=pe, causal=causal, kernel="explicit", depth=1).float()
    c = config(dim=8, heads=2, ff=1.0, depth=1, attention=KINDS[kind], pe=pe, causal=causal)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.ones(1, 129, dtype=torch.long))
    work = cost.attention_work(c, 129)
    assert work.scores < 129**2 and not work.dense
    assert cost.flops(c, model, 129) == counter.get_total_flops()


def test_short_sequences_and_those_with_many_pairs_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    window = registry.build_part("attention", "window", reach=16)
    assert [window.sizes(n, False) is not None for n in (100, 255, 256, 512)] == [False, False, True, True]
    wide = registry.build_part("attention", "window", reach=100)
    assert [wide.sizes(n, False) is not None for n in (512, 1024, 2048)] == [False, False, True]
    work = cost.attention_work(config(attention="window"), 100)
    assert work.dense and work.scores == 100**2


def test_encodings_that_need_all_pairs_are_refused_before_anything_runs() -> None:
    for pe in ("cope", "structural"):
        with pytest.raises(ValueError, match=f"pe={pe} needs the scores of all pairs .* attention=window"):
            try_parts(config(pe=pe, attention="window"))
        try_parts(config(pe=pe, attention="full"))
    assert all(registry.load_part("pe", name).by_pairs is PositionEncoding.by_pairs for name in PES)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_keeps_the_mean_of_the_output(kind: str) -> None:
    model = long_stack(kind, pe="none", depth=1, attention_dropout=0.3, kernel="explicit")
    attention = model.stack[0].attention
    x = torch.randn(1, 65, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    _, ctx = model.enter(torch.ones(1, 65, dtype=torch.long), None, None, None)
    whole = attention(x, ctx, model.pe)
    attention.train()
    torch.manual_seed(0)
    draws = torch.stack([attention(x, ctx, model.pe).detach() for _ in range(400)])
    error = (draws.mean(0) - whole).abs() / (draws.std(0) / 20 + 1e-12)
    assert float(error.detach().mean()) < 1.2 and float((draws - whole.detach()).abs().max()) > 0.01
