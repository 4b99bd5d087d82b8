"""Each encoding has the properties that its paper claims, and a faulty encoding is caught."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from stackcli.common import registry
from stackcli.diagnostics import checked_property, encoding_checks
from stackcli.pe.base import Context, PositionEncoding
from tests.factory import config, part

NAMES = [name for name in registry.part_names("pe") if registry.built_in("pe", name)]
ABSOLUTE = {"learned", "sinusoidal", "mlp", "fourier"}
SMALL: dict[str, Any] = {"dim": 16, "heads": 2}


@cache
def found(name: str, max_len: int = 64, **keys: Any) -> dict[str, checked_property.Property]:
    pe: Any = part(name, **keys) if keys else name
    return {row.name: row for row in encoding_checks.certify(config(pe=pe, **SMALL), max_len)}


@pytest.mark.parametrize("name", NAMES)
def test_every_encoding_passes_its_checks(name: str) -> None:
    rows = found(name)
    assert [row for row in rows.values() if row.mark == "failed"] == []
    assert rows["order"].found == ("not seen: tokens are a set" if name == "none" else "seen")
    assert rows["shift"].found == ("seen: absolute" if name in ABSOLUTE else "ignored: relative")
    assert rows["causality"].found == "kept" and rows["causality"].mark == "passed"
    assert (rows["4 x max_len"].found == "refused") == (name == "learned")


def test_symmetric_alibi_cannot_tell_a_text_from_its_reversal() -> None:
    assert found("alibi", form="symmetric")["a text and its reversal"].found == "not distinguished"
    assert found("alibi")["a text and its reversal"].found == "distinguished"


def test_settings_without_effect_are_reported() -> None:
    assert found("structural", form="relative", clip=16, base=100.0, scale=1.0)["settings"].found.startswith(
        "no effect"
    )
    assert found("relative")["settings"].found == "every key changes the output"


def test_a_shift_and_a_reversal_are_measured_on_one_stack() -> None:
    x = encoding_checks.tokens(12)
    for name, shift, reversal in (("learned", True, True), ("none", False, False), ("relative", False, True)):
        model = encoding_checks.stack(config(pe=name, **SMALL), 64)
        by, gap = encoding_checks.measure_shift(model, 64)
        assert by == 20 and (gap > encoding_checks.SAME) == shift
        assert (encoding_checks.measure_reversal(model, x) > encoding_checks.SAME) == reversal
    by, gap = encoding_checks.measure_shift(encoding_checks.stack(config(pe="learned", **SMALL), 24), 24)
    assert by == 0 and math.isnan(gap)  # all 24 positions are taken


class Leaky(PositionEncoding):
    """Reads the next token, against causality."""

    relative = True

    def embed(self, x: Tensor, ctx: Context) -> Tensor:
        return x + x.roll(-1, 1)


class Idle(PositionEncoding):
    """Has an unused parameter, and accepts any length although it claims to refuse long inputs."""

    beyond = "refused"
    relative = True

    def __init__(self, *, dim: int, heads: int, max_len: int) -> None:
        super().__init__(dim=dim, heads=heads, max_len=max_len)
        self.unused = torch.nn.Parameter(torch.zeros(3))


class Restless(PositionEncoding):
    """Adds a different bias in every pass."""

    relative = True

    def bias(self, q: Tensor, k: Tensor, ctx: Context) -> Tensor:
        return torch.rand(q.shape[-2], q.shape[-2]).to(q)


class Mistaken(PositionEncoding):
    """Claims to ignore a shift, but does not."""

    relative = True

    def rotate(self, q: Tensor, k: Tensor, ctx: Context) -> tuple[Tensor, Tensor]:
        return q + ctx.pos[:, None].to(q), k


FAULTS = {Leaky: ["causality"], Idle: ["gradient", "4 x max_len"], Restless: ["kernel"], Mistaken: ["shift"]}


@pytest.mark.parametrize("broken,failed", FAULTS.items(), ids=[kind.__name__ for kind in FAULTS])
def test_a_faulty_encoding_fails_its_check(
    broken: type, failed: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = registry.load_part
    monkeypatch.setattr(registry, "load_part", lambda group, name: broken if name == "broken" else real(group, name))
    rows = {r.name: r for r in encoding_checks.certify(config(**SMALL, pe=part("broken")), 64)}
    for row in failed:
        assert rows[row].mark == "failed", rows[row]


def test_a_raw_sinusoid_makes_up_nearly_all_energy_of_the_input() -> None:
    raw = found("sinusoidal", base=10000.0, scale=1.0)["energy in the input"]
    assert raw.mark == "warning" and float(raw.found.split()[0]) > 99


@pytest.mark.parametrize("pe,found", [("alibi", "exact"), ("learned", "refused"), ("sinusoidal", "defined")])
def test_what_does_not_fit_into_memory_is_measured_on_fewer_tokens_and_says_so(
    pe: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding_checks, "machine_memory", lambda: 2 * 2**30)  # a quarter holds 457 tokens at 4 heads
    small = config(dim=16, heads=4, pe=pe)
    rows = {row.name: row for row in encoding_checks.certify(small, 1000)}
    assert "457 tokens of 1,000, limited by memory" in rows["float32"].evidence
    assert rows["4 x max_len"].found.startswith(found) and rows["4 x max_len"].mark == "passed"
    assert pe == "learned" or "24 tokens spread over 4,000 positions" in rows["4 x max_len"].evidence
    assert "max_len=1000" in rows["checked in"].evidence


def test_the_memory_of_attention_counts_scores_and_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding_checks, "machine_memory", lambda: 2**30)
    small = config(dim=16, heads=2, depth=3, batch=8, pe="none")
    rows = {row.name: row for row in encoding_checks.certify(small, 1024)}
    # 3 blocks x 8 sequences x 2 heads x 1024^2 pairs, twice, 4 bytes each
    assert rows["attention memory"].found == f"{3 * 8 * 2 * 1024**2 * 8 / 2**20:,.1f} MiB"
    assert rows["attention memory"].mark == ""
    more = {row.name: row for row in encoding_checks._cost(small, 2048)}["attention memory"]
    assert (more.found, more.mark) == ("1.5 GiB", "warning") and "this machine has 1.0 GiB" in more.evidence


def test_the_memory_of_a_window_counts_the_scores_of_its_blocks() -> None:
    small = config(dim=16, heads=2, depth=3, batch=8, pe="none", attention=part("window", reach=16))
    rows = {row.name: row for row in encoding_checks._cost(small, 1024)}
    scores = 64 * 16 * 48  # 64 blocks of 16 queries by 48 keys
    assert rows["attention memory"].found == f"{3 * 8 * 2 * scores * 8 / 2**20:,.1f} MiB"
