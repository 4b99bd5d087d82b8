"""What each remedy did to the accuracy, to the finding and to the time of a step."""

import io
import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from stackcli.analysis import findings, remedy_effects
from stackcli.analysis.findings import Finding
from stackcli.analysis.remedy_effects import BEFORE
from stackcli.analysis.study_data import Frames
from tests.analysis.examples import study

GAIN = {BEFORE: (0.0, 0.0, 0.0), "warmup=0.2": (0.1, 0.2, 0.3)}  # of the accuracy, seed by seed
POINT = {remedy: f"remedy={remedy}" for remedy in GAIN}


def treated(has: dict[str, dict[str, int]], monkeypatch: pytest.MonkeyPatch, **known: Any) -> Frames:
    """Three runs as they were and three with a remedy. `has`: remedy -> finding -> the runs that have it."""
    rows: list[dict[str, Any]] = []
    for remedy, gains in GAIN.items():
        for seed, gain in enumerate(gains):
            row: dict[str, Any] = {"run": f"{remedy}/{seed}", "arm": "", "point": POINT[remedy], "status": "done"}
            row |= {"remedy": remedy, "affected": "depth=16", "seed": seed, "data": "majority"}
            row |= {"test_acc": 0.4 + gain, "step_ms": 20.0 if remedy == BEFORE else 25.0}
            rows.append(row)
    each = [
        Finding(name, POINT[remedy], "", 0.0, 0.0, "", (k, 3), ())
        for remedy, names in has.items()
        for name, k in names.items()
    ]
    monkeypatch.setattr(findings, "findings", lambda _: each)
    return replace(
        study(), command="remedies", axes=("remedy", "affected"), runs=pd.DataFrame(rows), facts={}, known=known
    )


def shown(frames: Frames) -> tuple[str, str]:
    """The title of the only table, and the table as 80 columns."""
    ((title, table),) = remedy_effects.remedy_tables(frames)
    out = io.StringIO()
    Console(width=80, file=out).print(table)
    return title, out.getvalue()


def test_the_difference_is_paired_by_seed_and_the_interval_is_students(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = remedy_effects.remedy_effects(treated({BEFORE: {"underfitting": 3}}, monkeypatch)).set_index("remedy")
    row = rows.loc["warmup=0.2"]
    half = 4.302653 * 0.1 / math.sqrt(3)  # t(.975, 2), standard deviation of .1, .2 and .3
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((0.2, 0.2 - half, 0.2 + half), abs=1e-6)
    assert (row["wins"], row["pairs"], row["value"]) == (3, 3, pytest.approx(0.6))
    assert row["step_ratio"] == pytest.approx(1.25)
    assert math.isnan(rows.loc[BEFORE, "mean"]) and rows.loc[BEFORE, "verdict"] == ""  # not compared with itself


def test_a_remedy_that_removes_one_of_two_findings_is_named_for_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"vanishing gradient": 3, "rank collapse": 2}
    frames = treated({BEFORE: before, "warmup=0.2": {"rank collapse": 1}}, monkeypatch)
    assert remedy_effects.describe_remedies(frames) == [
        "Vanishing gradient at depth=16: removed in every seed by warmup=0.2 "
        "(+0.200 in test accuracy, a step takes 1.25 times as long).",
        "Rank collapse at depth=16: no remedy removed it in every seed; least with warmup=0.2, 1 of 3 seeds.",
    ]
    title, text = shown(frames)
    assert title == "depth=16: vanishing gradient, rank collapse"
    lines = {line.split()[0]: line for line in text.splitlines() if "/3" in line}
    assert "3/3, 2/3" in lines["as"] and "0/3, 1/3" in lines["warmup=0.2"]


def test_the_title_says_on_which_seeds_it_was_found_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = treated({BEFORE: {"underfitting": 3}}, monkeypatch, seeds={"depth=16": (10, 11, 12)})
    title, _ = shown(frames)
    assert title == "depth=16: underfitting (found on seeds 10 to 12; compared on fresh seeds 0 to 2)"


def test_without_step_times_their_cells_are_empty_and_the_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = treated({BEFORE: {"underfitting": 3}}, monkeypatch)
    frames = replace(frames, runs=frames.runs.drop(columns="step_ms"))
    (said,) = remedy_effects.describe_remedies(frames)
    assert said.endswith("by warmup=0.2 (+0.200 in test accuracy, time not measured).")
    assert "x" not in shown(frames)[1].replace("excess", "")


def test_a_finding_at_the_end_of_the_values_tried_is_judged_by_the_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    edge = {"depth=16": {"undertuned learning rate": [2, 3, True]}}
    frames = treated({}, monkeypatch, found=edge)
    rows = remedy_effects.remedy_effects(frames)
    assert rows["had"].tolist() == [2, 2] and rows["has"].isna().all()
    assert [line.split()[-1] for line in shown(frames)[1].splitlines() if "as it was" in line] == ["1.00x"]


def test_without_a_finding_there_is_no_row_no_table_and_no_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = treated({}, monkeypatch)
    assert list(remedy_effects.remedy_effects(frames).columns) == remedy_effects.COLUMNS
    assert remedy_effects.remedy_tables(frames) == [] and remedy_effects.describe_remedies(frames) == []
