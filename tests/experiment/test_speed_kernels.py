"""The section `kernels` of `make bench`: what is divided by what, and which entries of the table are named."""

from collections.abc import Mapping
from typing import Any

import pytest

from stackcli.experiment import speed_kernels
from stackcli.experiment.speed_kernels import CASES, Case, judge_choice, kernel_row, kernel_sections, padded_loaded
from stackcli.experiment.speed_measurement import Run
from stackcli.experiment.speed_sides import Work
from stackcli.model.attention import Attention
from stackcli.model.build import build_pattern, makers
from stackcli.model.kernel_choice import EXPLICIT_BELOW, kind_of_work


def timed(explicit: float) -> Any:
    """A stand-in for the measurement: every side is called once, and the fused kernel takes a second."""

    def measure(sides: Mapping[str, Run], **_: object) -> dict[str, list[float]]:
        for run in sides.values():
            run()
        return {"fused": [1.0, 1.0], "explicit": [explicit, explicit]}

    return measure


@pytest.mark.parametrize("kind,length", [("sink", 63), ("dropout", 512)])  # the table says explicit
def test_a_choice_of_the_explicit_kernel_is_wrong_if_it_is_over_a_tenth_slower(kind: str, length: int) -> None:
    assert judge_choice(kind, length, 1.11) == "kernel=auto chooses explicit"
    assert judge_choice(kind, length, 1.09) == judge_choice(kind, length, 0.5) == ""


@pytest.mark.parametrize("kind,length", [("sink", 64), ("bias", 8)])  # the table says fused
def test_a_choice_of_the_fused_kernel_is_wrong_if_it_is_over_a_tenth_slower(kind: str, length: int) -> None:
    assert judge_choice(kind, length, 1 / 1.11) == "kernel=auto chooses fused"
    assert judge_choice(kind, length, 1 / 1.09) == judge_choice(kind, length, 2.0) == ""


def test_a_row_has_the_time_of_the_explicit_over_that_of_the_fused_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[bool] = []

    def attend(self: Attention, *args: Any, real: Any = Attention.attend) -> Any:
        used.append(self.explicit)
        return real(self, *args)

    monkeypatch.setattr(Attention, "attend", attend)
    monkeypatch.setattr(speed_kernels, "SIZE", ("batch=2", "dim=8", "heads=2", "depth=1", "pad=max"))
    monkeypatch.setattr(speed_kernels, "TOKENS", 32)
    row = kernel_row(Case("sink", ("pe=none", "attention=sink")), 8, timed(2.0))
    assert row.name == "8 tokens" and row.seconds == 1.0 and row.ratios == (2.0, 2.0)
    assert row.note == "kernel=auto chooses explicit"  # below 64 tokens, and it was twice as slow
    first = used.index(True)  # evaluations before the first step take the chosen kernel, here the explicit one
    assert first == 0 and used.count(False) == 1, used  # one step with the fused kernel


def test_every_case_is_what_its_key_of_the_table_says() -> None:
    assert {case.kind for case in CASES.values()} == set(EXPLICIT_BELOW)
    for case in CASES.values():
        work = Work.of((*case.words, *speed_kernels.SIZE), padded_loaded(8), turn=1)
        for length in (n for n in speed_kernels.LENGTHS if n >= case.shortest):
            parts = makers(work.config, length).encoding(1), build_pattern(work.config, 1, length)
            assert kind_of_work(work.config, *parts, length) == case.kind


def test_every_second_sequence_is_padded() -> None:
    work = Work.of((*CASES["sink"].words, *speed_kernels.SIZE), padded_loaded(16), turn=1)
    mask = work.batches[0].mask
    assert mask is not None and mask.shape == (16, 16) and set(mask.sum(1).tolist()) <= {14, 16}
    assert {len(row) for row in padded_loaded(8).train.tokens} == {7, 8}


def test_the_last_table_names_the_wrong_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_kernels, "SIZE", ("batch=2", "dim=8", "heads=2", "depth=1", "pad=max"))
    monkeypatch.setattr(speed_kernels, "LENGTHS", (8, 256))
    monkeypatch.setattr(speed_kernels, "CASES", {name: CASES[name] for name in ("no bias", "sink", "pieces")})
    monkeypatch.setattr(speed_kernels, "forced_training", lambda work, kernel: lambda: None)
    *tables, last = kernel_sections(timed(0.5))
    assert [len(table.rows) for table in tables] == [2, 2, 1]
    assert last.rows[0].note == "no bias, 8 tokens; no bias, 256 tokens; sink, 256 tokens; pieces, 256 tokens"
    assert list(kernel_sections(timed(1.05)))[-1].rows[0].note == "none"
