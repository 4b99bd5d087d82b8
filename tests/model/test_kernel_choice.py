"""`kernel=auto` follows the recorded table, by the settings and the training length alone."""

import math
from dataclasses import replace
from typing import Any

import pytest

from stackcli.config.settings import Config
from stackcli.model import kernel_choice
from stackcli.model.build import build_for
from stackcli.model.kernel_choice import EXPLICIT_BELOW, choose_kernels, training_length
from stackcli.model.stack import StackedAttention
from tests.factory import config, part, stack, tiny

NONE: dict[str, Any] = {"pe": "none"}
BY_KIND: dict[str, dict[str, Any]] = {
    "no bias": NONE,
    "bias": {"pe": "alibi"},
    "sink": {**NONE, "attention": "sink"},
    "pieces": {"pe": "alibi", "attention": part("window", reach=2)},
    "dropout": {"pe": "alibi", "attention": "sink", "attention_dropout": 0.1},
}


def chosen(length: int, **changes: Any) -> str:
    model, c = stack(**changes), config(**{"dim": 16, "heads": 2, "ff": 2.0, **changes})
    choose_kernels(model, c, length)
    return model.kernel


@pytest.mark.parametrize("kind", BY_KIND)
@pytest.mark.parametrize("below", [0.0, 400.0, math.inf])
def test_below_the_recorded_length_the_explicit_kernel_is_used(
    kind: str, below: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = dict.fromkeys(BY_KIND, math.inf if below == 0 else 0.0)  # no other entry counts
    monkeypatch.setattr(kernel_choice, "EXPLICIT_BELOW", {**others, kind: below})
    for length in (300, 399, 400, 100_000):
        assert chosen(length, **BY_KIND[kind]) == ("explicit" if length < below else "fused"), length


def test_the_table_has_an_entry_for_every_kind_of_work() -> None:
    assert EXPLICIT_BELOW.keys() == BY_KIND.keys()
    assert chosen(63, attention="sink", pe="none") == "explicit" and chosen(64, attention="sink", pe="none") == "fused"
    assert chosen(8, attention="softmax1", pe="none") == "explicit"
    assert all(chosen(length, attention_dropout=0.1) == "explicit" for length in (1, 10**6))
    assert all(chosen(length, pe=pe) == "fused" for length in (1, 10**6) for pe in ("learned", "rope", "alibi"))


def test_what_the_fused_kernel_cannot_compute_and_what_the_user_asks_is_explicit() -> None:
    assert chosen(10**6, pe="relative") == chosen(10**6, pe="none", attention="talking") == "explicit"
    assert chosen(10**6, pe="none", kernel="explicit") == "explicit"


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_elsewhere_than_on_a_cpu_the_fused_kernel_is_used(device: str) -> None:
    assert chosen(8, pe="none", attention="sink", attention_dropout=0.1, device=device) == "fused"


def test_layers_of_different_kinds_have_the_kernel_of_their_own_kind() -> None:
    two = part("full", layers="full,sink", start=1.0)
    assert chosen(8, pe="none", attention=two) == "fused, explicit" and chosen(64, pe="none", attention=two) == "fused"


def built(c: Config, **changes: Any) -> StackedAttention:
    loaded = tiny()
    rows = tuple((1, 2, 3) * n for n in (4, 20, 30, 40, 90))  # the median has 90 tokens
    train = replace(loaded.train, tokens=rows, labels=(0,) * 5, texts=("",) * 5)
    return build_for(c, replace(loaded, train=train, max_len=300, **changes))


def test_a_run_has_the_kernel_of_the_median_length_of_its_training_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    c = config(dim=16, heads=2, pe="none", attention="sink")
    for below, kernel in ((90, "fused"), (91, "explicit")):
        monkeypatch.setattr(kernel_choice, "EXPLICIT_BELOW", {**EXPLICIT_BELOW, "sink": below})
        assert built(c).kernel == kernel
        assert built(replace(c, pad="max")).kernel == "fused"  # whose batches are all 300 tokens long
    assert training_length(c, tiny()) < training_length(replace(c, pad="max"), tiny()) == 8
