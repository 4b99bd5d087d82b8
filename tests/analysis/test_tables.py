"""The table of a study and its sentences."""

import io
import json
import math
from dataclasses import replace

import pandas as pd
import pytest
from rich.console import Console

from stackcli.analysis import tables
from stackcli.analysis.summary_text import summary_sentences
from tests.analysis.examples import depth_study


def printed(table: pd.DataFrame, width: int = 80) -> str:
    out = io.StringIO()
    Console(width=width, file=out).print(tables.render_table(table))
    return out.getvalue()


def test_means_and_intervals_are_over_the_seeds_of_a_point() -> None:
    found, runs = tables.summarise_points(depth_study()), depth_study().runs
    own = runs[runs["depth"] == 4]["test_acc"]
    row = found[found["depth"] == 4].iloc[0]
    assert math.isclose(row["test_acc"], own.mean())
    assert math.isclose(row["test_acc_high"] - row["test_acc"], 4.302652729911275 * own.std() / math.sqrt(3))


@pytest.mark.parametrize("axes,residuals", [(("depth",), ("pre",)), (("depth", "residual"), ("pre", "post"))])
def test_the_table_fits_80_columns_and_cuts_nothing(axes: tuple[str, ...], residuals: tuple[str, ...]) -> None:
    text = printed(tables.summarise_points(depth_study(axes, residuals)))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text and "128.0" in text and "0.861±.006" in text and "TF-IDF+LR" in text and "0.810" in text


def test_baselines_are_rows_of_a_text_table() -> None:
    found = tables.summarise_points(depth_study())
    assert found["baseline"].dropna().tolist() == ["majority class", "TF-IDF + logistic regression"]


def test_whole_numbers_stay_whole_and_missing_values_are_empty() -> None:
    study = depth_study(("depth", "pe.clip"), diverged=1)
    study.runs["pe.clip"] = [16.0 if depth > 1 else math.nan for depth in study.runs["depth"]]
    study.runs["lr"] = 1.0
    table = tables.summarise_points(study)
    rows = json.loads(tables.to_json(table))
    points = [row for row in rows if row["kind"] == "study"]
    assert [repr(row["depth"]) for row in points] == ["1", "2", "4", "8", "16"]
    assert [repr(row["params"]) for row in points] == ["100000", "200000", "400000", "800000", "1600000"]
    assert [repr(row["pe.clip"]) for row in points] == ["None", "16", "16", "16", "16"]
    assert all(type(row[k]) is int for row in points for k in ("done", "planned", "diverged"))
    assert all(type(row["test_acc"]) is float for row in rows)
    for row in rows[len(points) :]:
        assert row["kind"] == "baseline" and row["depth"] is None and row["done"] is None and row["baseline"]
    lines = tables.to_csv(table).splitlines()
    heads = lines[0].split(",")
    first, last = (dict(zip(heads, line.split(","), strict=True)) for line in (lines[1], lines[-1]))
    assert (first["kind"], first["depth"], first["pe.clip"], first["done"], first["baseline"]) == (
        *("study", "1", "", "3", ""),
    )
    assert (last["kind"], last["depth"], last["test_acc"]) == ("baseline", "", "0.81")
    assert "nan" not in tables.to_csv(table).lower() and "<NA>" not in tables.to_csv(table)
    runs = pd.read_csv(io.StringIO(tables.to_csv(study.runs)), dtype=str, keep_default_na=False)
    assert set(runs["pe.clip"]) == {"", "16"} and set(runs["lr"]) == {"1.0"}  # lr is decimal, whatever its value
    for text in (tables.to_markdown(table), tables.to_latex(table)):
        assert "1.0 " not in text and "nan" not in text and "16" in text and "<NA>" not in text


def test_a_row_of_counts_with_gaps_keeps_them_whole() -> None:
    found = tables.to_csv(pd.DataFrame({"n": [3.0, math.nan], "wins": [2.0, math.nan], "d_z": [1.5, math.nan]}))
    assert found == "n,wins,d_z\n3,2,1.5\n,,\n"


def test_a_diverged_run_is_counted_and_never_averaged() -> None:
    study = depth_study(diverged=2)
    row = tables.summarise_points(study).query("depth == 16").iloc[0]
    assert (row["done"], row["planned"], row["diverged"]) == (1, 3, 2) and row["test_acc"] < 1
    assert "1/3 2 div." in printed(tables.summarise_points(study))
    assert any("2 of 15 runs diverged" in s for s in summary_sentences(study))


def test_columns_can_be_chosen_sorted_and_cut() -> None:
    found = tables.summarise_points(depth_study(), cols=["val_loss_end"], sort="-depth", top=2)
    assert found["depth"].tolist() == [16, 8] and "test_acc" not in found
    by_metric = tables.summarise_points(depth_study(), sort="-test_acc", top=1)
    assert by_metric["depth"].iloc[0] == 16


def test_an_unknown_column_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match="did you mean test_acc"):
        tables.summarise_points(depth_study(), cols=["tets_acc"])
    with pytest.raises(ValueError, match="unknown"):
        tables.summarise_points(depth_study(), sort="nonsense")


def test_every_form_holds_the_same_numbers() -> None:
    table = tables.summarise_points(depth_study())
    rows = json.loads(tables.to_json(table))
    read = pd.read_csv(io.StringIO(tables.to_csv(table)))
    assert rows[0]["test_acc"] == pytest.approx(read["test_acc"][0]) and rows[-1]["gap_end"] is None
    shown = f"{rows[0]['test_acc']:.3f}"
    assert (
        shown in tables.to_markdown(table) and shown in tables.to_latex(table) and r"\toprule" in tables.to_latex(table)
    )


def test_text_that_a_spreadsheet_or_latex_would_execute_is_escaped() -> None:
    study = depth_study(("point",))
    study.runs["point"] = "=cmd()_x%"
    table = tables.summarise_points(study)
    assert "'=cmd()_x%" in tables.to_csv(table) and r"=cmd()\_x\%" in tables.to_latex(table)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_number_is_ever_cut(width: int) -> None:
    study = depth_study(("residual", "depth"), ("a-scheme-with-a-long-name", "post"))
    table = tables.summarise_points(study)
    text = printed(table, width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    for value in table["test_acc"].dropna():
        assert f"{value:.3f}" in text


def test_a_setting_is_shown_as_it_was_set_and_never_averaged() -> None:
    study = depth_study()
    study.runs["heads"] = 4
    table = tables.summarise_points(study, cols=["heads", "seed", "pe", "test_acc"])
    assert table["heads"].dropna().tolist() == ["4"] * 5
    assert (table["seed"][0], table["pe"][0]) == ("0, 1, 2", "learned")


def test_a_gradient_of_zero_leaves_the_ratio_out_and_crashes_nothing() -> None:
    study = depth_study()
    study.runs.loc[study.runs["depth"] == 16, "grad_ratio_init"] = 0.0
    table = tables.summarise_points(study)
    assert table["grad_ratio_init"].isna().tolist()[4] and "gradient of depth 16" not in " ".join(
        summary_sentences(study)
    )


def test_a_single_run_names_its_baselines_in_a_column_of_their_own() -> None:
    study = depth_study(())
    study = replace(study, runs=study.runs.iloc[:1])
    lines = printed(tables.summarise_points(study)).splitlines()
    assert any(line.split()[:3] == ["this", "run", "100k"] for line in lines)
    assert any(line.split() == ["TF-IDF+LR", "0.810"] for line in lines)


def test_a_column_that_is_an_axis_is_shown_once() -> None:
    found = tables.summarise_points(depth_study(), cols=["depth", "test_acc"])
    assert list(found.columns).count("depth") == 1 and "test_acc" in found


def test_every_text_that_a_spreadsheet_would_take_for_a_formula_is_escaped() -> None:
    formulas = ["=1+1", "+x", "-x", "@x", "\tx"]
    lines = tables.to_csv(pd.DataFrame({"word": [*formulas, "x=1", "a\rb"], "number": [-1.0] * 7}))
    table = pd.read_csv(io.StringIO(lines))
    assert table["word"].tolist() == [*("'" + word for word in formulas), "x=1", "a b"]
    assert set(table["number"]) == {-1.0}


def test_measured_numbers_stay_decimal_even_if_they_are_whole() -> None:
    rows = pd.DataFrame({"length": [16.0], "loss": [1.0], "acc_half": [0.0], "p": [1.0], "n": [3.0]})
    assert tables.to_csv(rows).splitlines()[1] == "16,1.0,0.0,1.0,3"


def accuracies(depth: int, values: list[float]) -> str:
    """The cell of the test accuracy of a depth with these values over seeds."""
    study = depth_study()
    others = study.runs[study.runs["depth"] != depth]
    own = pd.concat([study.runs[study.runs["depth"] == depth].iloc[:1]] * len(values)).assign(
        seed=range(len(values)), test_acc=values
    )
    study = replace(study, runs=pd.concat([own, others], ignore_index=True))
    _, rows = tables.table_cells(tables.summarise_points(study, cols=["test_acc"]), ["test_acc"])
    return next(row[-1] for row in rows if row[0] == str(depth))


def test_one_seed_is_its_value_two_are_both_values_and_more_are_a_mean_and_its_interval() -> None:
    assert accuracies(1, [0.5552]) == "0.555"
    assert accuracies(1, [0.555, 0.8141]) == ".555 / .814"
    # s = 0.01, t = 4.303: 4.303 * 0.01 / sqrt(3) = 0.0248
    assert accuracies(1, [0.70, 0.71, 0.72]) == "0.710±.025"


def test_an_interval_that_leaves_0_to_1_is_cut_there() -> None:
    # s = 0.2646, t = 4.303: half a width of 0.657 about a mean of 0.6
    assert accuracies(1, [0.3, 0.7, 0.8]) == "0.600 [0.00, 1.00]"
    assert accuracies(1, [0.8, 0.9, 1.0]) == "0.900 [0.65, 1.00]"


def test_a_baseline_of_one_of_several_data_sets_names_it_in_the_column_of_the_data() -> None:
    study = depth_study(("depth", "data"), ("lag", "majority"))
    study = replace(study, facts={name: study.facts_of(study.runs) for name in ("lag", "majority")})
    heads, rows = tables.table_cells(tables.summarise_points(study, cols=["test_acc"]), ["test_acc"])
    assert heads[:2] == ["depth", "data"] and [row[:2] for row in rows[-4:]] == [
        ["majority class", "lag"],
        ["TF-IDF + logistic regression", "lag"],
        ["majority class", "majority"],
        ["TF-IDF + logistic regression", "majority"],
    ]
