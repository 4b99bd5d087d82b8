"""The report of `probe`: means over seeds, exponents beside theory, tables that fit, and files that are read back."""

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

from stackcli.analysis.study_data import Frames
from stackcli.experiment import initial_probe_report as report
from stackcli.figures import base

HEALTHY: dict[str, Any] = {
    "finite": 1,
    "free_ratio_init": 1.0,
    "apart": 0.5,
    "entropy": 0.9,
    "step_ratio": 1.0,
    "rank": 0.5,
}
OTHER: dict[str, Any] = {
    "signal_first": 1.0,
    "signal_last": 2.0,
    "grad_ratio_init": 1.0,
    "cosine": 0.1,
    "update": 1e-3,
    "kept": 0.9,
}


def probe(rows: Sequence[dict[str, Any]], axes: tuple[str, ...] = ("depth",)) -> Frames:
    """Looks at stacks that are healthy but for what `rows` says."""
    usual = {**HEALTHY, **OTHER, "lr": 0.001, "warmup": 0.0, "seed": 0, "status": "done"}
    none = pd.DataFrame()
    runs = pd.DataFrame([{**usual, **row} for row in rows])
    return Frames(study="p", command="probe", axes=axes, runs=runs, curve=none, layers=none)


def shown(table: Any, width: int = 200) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(table)
    return console.export_text()


# ---- means


def test_the_mean_over_seeds_is_geometric_where_its_column_says_so_and_all_are_positive() -> None:
    runs = pd.DataFrame({"rank": [1.0, 4.0, 16.0, np.nan], "cosine": [1.0, 4.0, 16.0, np.nan]})
    assert report.mean_over_seeds(runs, "rank") == pytest.approx(4.0)
    assert report.mean_over_seeds(runs, "cosine") == pytest.approx(7.0)
    assert report.mean_over_seeds(runs.replace(1.0, 0.0), "rank") == pytest.approx(20 / 3)
    assert math.isnan(report.mean_over_seeds(runs.iloc[3:], "rank"))
    assert math.isnan(report.mean_over_seeds(runs, "apart"))  # no such column


def test_a_point_counts_the_seeds_that_are_finite_and_what_is_expected_from_the_first_fault_on() -> None:
    rows: list[dict[str, Any]] = [
        {"depth": depth, "seed": seed, "rank": rank} for depth in (4, 1, 2) for seed, rank in ((0, 0.1), (1, 0.9))
    ]
    rows[4] |= {"apart": 0.01}  # depth 2, seed 0
    rows[1] |= {"status": "diverged"}  # depth 4, seed 1
    table = report.summarise_stacks(probe(rows))
    assert table["depth"].tolist() == [1, 2, 4] and table["expected"].tolist() == [True, False, False]
    assert table["done"].tolist() == [2, 2, 1] and table["planned"].tolist() == [2, 2, 2]
    assert table["rank"].tolist() == pytest.approx([0.3, 0.3, 0.1])  # sqrt(0.1 * 0.9)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, ""),
        (0.0, "0.000"),
        (0.01, "0.010"),
        (0.0099, "9.9e-03"),
        (9.9994, "9.999"),
        (10.0, "10.0"),
        (-999.0, "-999.0"),
        (1000.0, "1.0e+03"),
    ],
)
def test_a_cell_has_about_three_digits(value: float, text: str) -> None:
    assert report.format_cell(value) == text and len(text) <= 7


def test_an_exponent_stands_with_half_the_width_of_its_interval_over_three_seeds_or_more() -> None:
    values = [-0.5, -0.4, -0.2]
    half = stats.t.ppf(0.975, 2) * stats.sem(values)
    assert report.over_seeds(pd.Series([*values, np.nan])) == f"-0.37±{half:.2f}".replace("±0.", "±.")
    assert report.over_seeds(pd.Series([-0.5, -0.4])) == "-0.45"
    assert report.over_seeds(pd.Series([-0.001, -0.001])) == "0.00"  # not -0.00
    assert report.over_seeds(pd.Series([1.0, 1.0]), 3) == "1.000"
    assert report.over_seeds(pd.Series([np.nan])) == ""


# ---- tables


def test_columns_that_do_not_fit_are_hidden_in_their_order_and_named() -> None:
    looked = probe([{"depth": depth, "pe": "e" * 40} for depth in (1, 2)], ("pe", "depth"))
    table = report.summarise_stacks(looked)
    assert "not shown" not in shown(report.render_stacks(table), width=200)
    rows, _, caption = shown(report.render_stacks(table), width=100).partition("not shown at this width: ")
    assert caption.startswith("signal_first, cosine;") and max(map(len, rows.splitlines())) <= 100
    assert "cosine" not in rows and "grad" in rows and rows.count("signal") == 1


def test_the_number_of_finite_seeds_is_shown_only_where_some_are_not() -> None:
    whole = probe([{"depth": 1, "seed": seed} for seed in (0, 1)])
    broken = replace(whole, runs=whole.runs.assign(status=["done", "diverged"]))
    assert "finite" not in shown(report.render_stacks(report.summarise_stacks(whole)))
    text = shown(report.render_stacks(report.summarise_stacks(broken)))
    assert "finite" in text and "1/2" in text


SLOPES = pd.DataFrame(
    {
        "residual": ["pre", "pre", "post"],
        "seed": [0, 1, 0],
        "slope_plain": [-0.5, -0.7, math.nan],
        "slope_free": [-0.4, -0.6, math.nan],
        "slope_update": [0.1, 0.3, math.nan],
        "theory": [-0.5, -0.5, 0.0],
        "theory_source": ["Xiong", "Xiong", ""],
        "order": [1.0, 1.0, math.nan],
        "order_theory": [1.0, 1.0, math.nan],
    }
)


def test_a_scheme_is_a_row_and_theory_stands_only_beside_a_measured_exponent() -> None:
    lines = [line.split() for line in shown(report.render_slopes(SLOPES, ("depth", "residual"))).splitlines()]
    rows = {line[0]: line[1:] for line in lines if line and line[0] in ("pre", "post")}
    assert rows == {"pre": ["-0.60", "-0.50", "-0.5", "0.20", "1.000", "1"], "post": []}
    alone = shown(report.render_slopes(SLOPES.iloc[:2], ("depth",)))
    assert any(line.split()[:2] == ["all", "-0.60"] for line in alone.splitlines())


# ---- sentences


def test_the_sentence_on_exponents_names_the_seeds_and_each_source_once() -> None:
    (said,) = report.describe_theory(SLOPES)
    assert "mean over 2 seeds" in said and said.endswith("theory of G3 at Xavier's initialisation: Xiong.")
    assert "one seed" in report.describe_theory(SLOPES[SLOPES["seed"] == 0])[0]
    assert report.describe_theory(SLOPES.iloc[2:]) == [] == report.describe_theory(SLOPES.iloc[:0])


def test_a_warm_up_is_mentioned_only_where_a_run_has_one() -> None:
    assert report.describe_warmup(pd.DataFrame({"warmup": [0.0, 0.0]})) == ""
    assert "deeper stacks may train" in report.describe_warmup(pd.DataFrame({"warmup": [0.0, 0.05]}))


# ---- files


def test_the_files_of_a_probe_are_read_back_as_runs_of_its_arms(tmp_path: Path) -> None:
    looked = probe([{"depth": depth} for depth in (1, 2)])
    slopes = SLOPES.rename(columns={"residual": "arm"})
    paths = report.probe_files(looked, report.summarise_stacks(looked), slopes, tmp_path)
    assert {p.name for p in paths} == {p.name for p in tmp_path.iterdir()} and len(paths) == 4
    assert pd.read_csv(tmp_path / "runs.csv")["depth"].tolist() == [1, 2]
    found = report.read_probe(tmp_path)
    assert found.axes == ("arm",) and found.study == tmp_path.name and set(found.runs["status"]) == {"done"}
    pd.testing.assert_series_equal(found.runs["slope_free"], SLOPES["slope_free"])


def test_only_the_figures_of_a_probe_that_show_something_are_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "load_figure", lambda name: lambda frames: None if name == "slopes" else name)
    monkeypatch.setattr(base, "save", lambda figure, stem, formats: [stem.with_suffix(f".{f}") for f in formats])
    looked = probe([{"depth": 1}])
    assert [p.name for p in report.draw_probe(looked, tmp_path, ("svg",))] == [
        "signal.svg",
        "gradient.svg",
        "collapse.svg",
    ]
    assert report.draw_probe(looked, tmp_path, ()) == []
