"""Every part of a group is compared with the baseline, and what is refused is said."""

from collections.abc import Mapping

import pytest

from stackcli.common import registry
from stackcli.experiment import speed_parts as parts
from stackcli.experiment.speed_measurement import Row, Run
from stackcli.experiment.speed_sides import Work, random_loaded
from tests.factory import tiny

WORDS = ("depth=1", "dim=8", "heads=2", "batch=2")


def fake(sides: Mapping[str, Run], **_: object) -> dict[str, list[float]]:
    """Calls every side once; the baseline takes 2 seconds, then 4, and each other part three times as long."""
    for run in sides.values():
        run()
    return {name: [2.0, 4.0] if name in ("none", "full") else [6.0, 12.0] for name in sides}


@pytest.mark.parametrize("kernel", parts.KERNELS)
def test_every_encoding_of_the_registry_has_a_row(kernel: str) -> None:
    rows = parts.part_rows("pe", "none", (*WORDS, f"kernel={kernel}"), tiny(n=12), turn=2, measure=fake)
    assert rows[0] == Row("pe=none", 1.5, (1.0, 1.0))
    assert {row.name for row in rows} == {f"pe={name}" for name in registry.part_names("pe")}
    assert all(row.ratios == (3.0, 3.0) and row.seconds == 4.5 and not row.note for row in rows[1:])


def test_every_kind_of_attention_has_a_row_and_a_refused_one_says_why() -> None:
    rows = parts.part_rows("attention", "full", (*WORDS, "pe=rope"), random_loaded(16), turn=1, measure=fake)
    by_name = {row.name: row for row in rows}
    assert set(by_name) == {f"attention={name}" for name in registry.part_names("attention")}
    refused = by_name["attention=linear"]
    assert refused.note.startswith("refused: pe=rope") and refused.seconds is None and not refused.ratios
    assert by_name["attention=gated"].ratios == (3.0, 3.0)


@pytest.mark.parametrize(
    ("name", "cheap"), [("full", False), ("softmax1", False), ("window", True), ("dilated", True), ("linear", True)]
)
def test_a_kind_is_cheap_if_it_computes_fewer_scores_than_pairs(name: str, cheap: bool) -> None:
    work = Work.of((*WORDS, f"attention={name}"), random_loaded(1024, rows=2), turn=1)
    assert parts.computes_fewer_scores(work) == cheap


def test_kinds_that_compute_all_scores_are_left_out_where_only_cheap_ones_are_asked() -> None:
    rows = parts.part_rows("attention", "full", WORDS, random_loaded(300, rows=2), turn=1, measure=fake, cheap=True)
    notes = {row.name: row.note for row in rows}
    assert notes["attention=full"] == "" and notes["attention=window"] == ""  # the baseline stays
    assert "left out" in notes["attention=softmax1"]


def test_sections_cover_both_lengths_and_both_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def rows(group: str, baseline: str, words: tuple[str, ...], loaded: object, **more: object) -> tuple[Row, ...]:
        asked.append((group, baseline, *words, loaded, more.get("cheap", False)))
        return (Row("x"),)

    monkeypatch.setattr(parts, "part_rows", rows)
    monkeypatch.setattr(parts, "random_loaded", lambda length: length)
    monkeypatch.setattr(parts, "load_words", lambda words: words)
    sections = [*parts.encoding_sections(("data=csv",), fake), *parts.kind_sections(fake)]
    assert asked == [
        ("pe", "none", "data=csv", "kernel=explicit", ("data=csv",), False),
        ("pe", "none", "data=csv", "kernel=auto", ("data=csv",), False),
        ("pe", "none", "batch=4", "kernel=explicit", 512, False),
        ("pe", "none", "batch=4", "kernel=auto", 512, False),
        ("attention", "full", "batch=4", "pe=learned", 512, False),
        ("attention", "full", "batch=1", "pe=learned", 4096, True),
    ]
    assert len({section.title + section.text for section in sections}) == 6
