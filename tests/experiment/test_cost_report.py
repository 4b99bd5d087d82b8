"""The report of `cost`: a row for each point, sentences on how it was measured, and the files."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stackcli.config.settings import Options
from stackcli.experiment import cost_report
from stackcli.experiment.cost_points import CostPlan, plan_costs
from stackcli.experiment.progress import Progress

WORDS = ("attention=full,linear", "seq=128,256,512,1024", "depth=1,2", "threads=1")


def rows(asked: CostPlan) -> list[dict[str, Any]]:
    """Points whose step takes as many ms as there are tokens in all blocks, squared with full attention."""
    out = []
    for point in asked.points:
        power = 2 if point.config.attention.name == "full" else 1
        ms = 1e-3 * point.config.depth * point.length**power
        times = {f"{name}{end}": ms for name in cost_report.PARTS for end in ("", "_low", "_high")}
        counted = {"memory": 1024.0 * ms, "method": "VmHWM", "flops": 100, "score_bytes": 1.0, "params": 7}
        out.append({"status": "done", "repeats": 9, **times, **counted, "kernel": "fused"})
    return out


def test_a_point_has_its_axes_and_what_was_not_measured_is_missing() -> None:
    asked = plan_costs(WORDS)
    given = rows(asked)
    given[3] = {"status": "out of memory"}
    frame = cost_report.build_points(asked, given)
    assert [*frame.columns[:3]] == ["attention", "depth", "seq"] and len(frame) == 16
    assert [*frame["seq"][:5]] == [128, 256, 512, 1024, 128] and [*frame["depth"][:5]] == [1, 1, 1, 1, 2]
    assert frame.loc[3, "status"] == "out of memory" and math.isnan(frame.loc[3, "step_ms"])
    assert frame.loc[0, "step_ms"] == pytest.approx(1e-3 * 128**2)


def test_the_report_has_all_tables_and_no_line_beyond_80_columns() -> None:
    asked = plan_costs(WORDS)
    text = cost_report.write_report(cost_report.build_points(asked, rows(asked)), asked)
    assert max(map(len, text.splitlines())) <= 80
    for part in ("time ~ n^", "time ~ x^", "predicted", "faster than", "median", "VmHWM", "built for 1,024 tokens"):
        assert part in " ".join(text.split()), part
    assert (
        max(map(len, cost_report.write_report(cost_report.build_points(asked, rows(asked)), asked, 60).split("\n")))
        <= 60
    )


def test_a_busy_machine_is_named() -> None:
    asked = plan_costs(WORDS)
    frame = cost_report.build_points(asked, rows(asked))
    assert "quartiles" not in " ".join(cost_report.describe_conditions(frame, asked))
    frame.loc[[0, 5], "step_ms_high"] *= 1.5
    assert (
        "At 2 of 16 points the quartiles are more than 25 % apart" in cost_report.describe_conditions(frame, asked)[1]
    )


def test_one_length_has_a_table_and_no_exponent() -> None:
    asked = plan_costs(["attention=linear", "seq=64"])
    text = cost_report.write_report(cost_report.build_points(asked, rows(asked)), asked)
    assert "~ n^" not in text and "predicted" not in text and "64" in text


def test_the_files_hold_the_rows_and_the_table_goes_where_it_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = plan_costs(WORDS)
    frame = cost_report.build_points(asked, rows(asked))
    options = Options(command="cost", out=tmp_path, json=True, csv=str(tmp_path / "t.csv"), formats=("svg",))
    cost_report.report_cost(frame, asked, tmp_path / "f", options, Progress(quiet=False))
    names = {"table.csv", "exponents.csv", "sizes.csv", "predictions.csv", "report.txt", "time.svg", "memory.svg"}
    assert {path.name for path in (tmp_path / "f").iterdir()} == names
    said = capsys.readouterr()
    assert len(json.loads(said.out)) == 16 and "wrote 8 files to" in said.err
    exponents = pd.read_csv(tmp_path / "f" / "exponents.csv")
    assert exponents["time"].to_numpy() == pytest.approx([2, 2, 1, 1])
    assert (tmp_path / "t.csv").read_text() == (tmp_path / "f" / "table.csv").read_text()


def test_nothing_measured_is_said_plainly() -> None:
    asked = plan_costs(["attention=linear", "seq=64,128"])
    needs = {"status": "needs memory", "needed": 2.0**35, "free": 2.0**30}
    text = cost_report.write_report(cost_report.build_points(asked, [needs, needs]), asked)
    assert "needs 32.0 GiB" in text and "2 points (seq=64, seq=128): not run" in " ".join(text.split())
    assert "Times are medians" not in text
