"""Findings as tables, sentences and commands."""

import io
import shlex
from dataclasses import replace

import pytest
from rich.console import Console
from rich.table import Table

from stackcli.analysis import (
    findings,
    findings_text,
)
from stackcli.analysis.study_data import Frames
from stackcli.config import grid
from tests.analysis.examples import (
    FLAT,
    run,
    study,
    typed,
)


def test_the_command_trains_the_point_again_with_the_remedy_and_nothing_else_changed() -> None:
    words = ("data=majority", "data.letters=3", "steps=30", "depth=2,4", "residual=post,none", "seed=5", "seeds=2")
    configs = grid.parse_grid(words).configs
    rows = [
        {**run(FLAT), "row": {**run(FLAT, point=f"{c.depth} {c.residual.name}")["row"], **c.flat()}} for c in configs
    ]
    frames = replace(study(*rows), axes=("depth", "residual"), overrides=words)
    line = findings_text.rerun_command(frames, "4 post", ("residual=pre",))
    assert line.startswith("stackattn sweep ")
    again = grid.parse_grid(shlex.split(line)[2:]).configs
    before = [c for c in configs if c.depth == 4 and c.residual.name == "post"]
    assert [c.flat() for c in again] == [{**c.flat(), "residual": "pre"} for c in before]


def test_the_command_drops_the_keys_of_a_part_that_is_exchanged() -> None:
    words = ("data=majority", "residual=deepnorm", "residual.alpha=2")
    frames = replace(study({**run(), "row": {**run()["row"], **typed(*words)}}), overrides=words)
    assert findings_text.rerun_command(frames, "", ("residual=pre",)) == "stackattn sweep data=majority residual=pre"
    assert "residual.alpha=2" in findings_text.rerun_command(frames, "", ("lr=0.01",))


def test_the_command_of_an_arm_of_an_experiment_is_that_of_its_line() -> None:
    row = {**run()["row"], "arm": "two layers", "point": "two layers", **typed("data=recall")}
    frames = replace(
        study({**run(), "row": row}),
        axes=("arm",),
        overrides=("one layer: data=recall depth=1", "two layers: data=recall depth=2 lr=0.002"),
    )
    line = findings_text.rerun_command(frames, "two layers", ("lr=0.001",))
    assert line == "stackattn sweep data=recall depth=2 lr=0.001"


def test_settings_chosen_for_a_point_are_part_of_its_command() -> None:
    frames = study({**run(), "row": {**run()["row"], **typed("dim=48", "depth=4")}})
    frames = replace(frames, axes=("depth",), chosen=("dim",), overrides=("depth=1,4", "match=params"))
    assert findings_text.rerun_command(frames, "", ("lr=0.01",)) == "stackattn sweep depth=4 dim=48 lr=0.01"


def printed(table: Table) -> str:
    """A table as a terminal of 80 columns shows it."""
    out = io.StringIO()
    Console(width=80, file=out).print(table)
    return out.getvalue()


def two() -> Frames:
    """A point whose gradient vanishes and whose tokens are alike, and one that overfits."""
    faulty = [run(FLAT, point="depth=16 residual=post", seed=s, rank=1e-4, gradient=1e-3) for s in range(3)]
    other = [run(point="depth=16 residual=pre", seed=s, gap=1.0) for s in range(3)]
    rows = []
    for r in (*faulty, *other):
        name = "post" if r in faulty else "pre"
        own = {**typed("depth=16", f"residual={name}", "data=majority"), "flops_len": 8}
        rows.append({**r, "row": {**own, **r["row"], "depth": 16, "residual": name}})
    return replace(study(*rows), axes=("depth", "residual"), overrides=("depth=16", "data=majority"))


def test_the_table_is_eighty_columns_wide_and_cuts_nothing() -> None:
    text = printed(findings_text.findings_table(findings.findings(two()), two().runs))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for cell in ("residual=post ", "overfitting", "3 of 3", ".44–1.00", "residual=pre", "data.size="):
        assert cell in text, cell


def test_the_frame_has_a_row_for_each_remedy_with_its_command_and_the_wilson_interval() -> None:
    frames = two()
    found = findings.findings(frames)
    table = findings_text.findings_frame(found, frames)
    assert len(table) == sum(len(f.remedies) for f in found) > len(found) == 3
    # Wilson 1927 with z = 1.96: 3 of 3 is 3 / (3 + z^2) to 1
    assert table["low"].tolist() == pytest.approx([3 / (3 + 1.959964**2)] * len(table), abs=1e-6)
    assert table["high"].tolist() == pytest.approx([1.0] * len(table))
    assert all(line.endswith(f" {words}") for line, words in zip(table["command"], table["remedy"], strict=True))


def test_a_finding_at_many_points_is_shown_once_and_the_other_points_named() -> None:
    def at(points: str) -> Frames:
        runs = [run(point=p, gap=1.0) if p == "a" else run(FLAT, point=p, rank=1e-9) for p in points]
        return study(*({**r, "row": {**typed("data=majority"), **r["row"]}} for r in runs))

    def shown(frames: Frames) -> str:
        return printed(findings_text.findings_table(findings.findings(frames), frames.runs))

    few, many = at("abcd"), at("abcde")
    assert (
        shown(few).count("rank residual") == 3
        and "also at" not in findings_text.describe_findings(findings.findings(few), few)[0]
    )
    found = findings.findings(many)
    assert len(found) == 5 and len(findings_text.findings_frame(found, many)["point"].unique()) == 5
    assert shown(many).count("rank residual") == 1 and shown(many).count("overfitting") == 2  # its source is named too
    (said,) = [text for text in findings_text.describe_findings(found, many) if "also at" in text]
    worst = next(line.split()[0] for line in shown(many).splitlines() if "rank" in line)
    assert said == f"Rank collapse also at {', '.join(p for p in 'bcde' if p != worst)}; findings.csv has all."


def test_a_study_without_findings_says_so() -> None:
    well = study(run(), run(seed=1))
    assert findings_text.findings_table([], well.runs).row_count == 0 and findings_text.titled_findings(well) == []
    assert findings_text.describe_findings([], well) == [
        "No finding: all 2 runs learnt what can be learnt, without overfitting."
    ]
    part = study(run(point="a"), {**run(FLAT, point="b"), "row": {**typed(), **run(FLAT, point="b")["row"]}})
    assert findings_text.describe_findings(findings.findings(part), part)[0] == "No finding at a."
