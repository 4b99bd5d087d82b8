"""The evidence of a comparison, computed from the runs."""

import io
import math
from dataclasses import replace

import numpy as np
import pandas as pd
from rich.console import Console
from scipy import stats

from stackcli.analysis import certainty, comparisons, tables
from stackcli.analysis.study_data import Frames
from tests.analysis.examples import FACTS, encoding_study


def test_differences_are_paired_by_seed_and_one_family() -> None:
    study = encoding_study()
    found = comparisons.ranking_comparisons(study)
    assert len(found) == 4 and list(found["metric"]) == ["test_acc"] * 2 + ["test_excess"] * 2
    runs = study.runs[study.runs["data"] == "subjects"].pivot(index="seed", columns="pe", values="test_acc")
    row = found[(found["arm"] == "none") & (found["where"] == "data=subjects")].iloc[0]
    gaps = runs["none"] - runs["learned"]
    assert math.isclose(row["mean"], gaps.mean()) and row["baseline"] == "learned" and row["wins"] == 0
    assert math.isclose(row["high"], stats.t.interval(0.95, 4, gaps.mean(), stats.sem(gaps))[1])
    assert math.isclose(row["p"], 2 / 2**5) and row["p_holm"] > row["p"]


def test_the_file_of_differences_holds_all_that_the_correction_needs() -> None:
    study = depths()
    table = pd.read_csv(io.StringIO(tables.to_csv(comparisons.comparison_rows(study))))
    assert list(table["metric"]) == ["test_acc"] * 2 + ["gap_end"] + ["test_acc"] * 3
    assert list(table["test"]) == ["sign flip"] * 3 + ["min F'"] * 3
    p = table["p"].to_numpy()
    order = np.argsort(p, kind="stable")
    corrected, highest = np.empty(len(p)), 0.0
    for rank, at in enumerate(
        order
    ):  # Holm 1979: the smallest p by m, the next by m - 1, never less than the one before
        highest = max(highest, min(1.0, (len(p) - rank) * p[at]))
        corrected[at] = highest
    assert np.allclose(corrected, table["p_holm"], rtol=1e-12)
    better = table["verdict"].isin(["better", "worse"])
    assert (better == (corrected < 0.05)).all() and 0 < better.sum() < len(table)
    assert f"{len(table)} comparisons, Holm-corrected" in certainty.describe_certainty(study)


def depths(seeds: int = 8) -> Frames:
    """Three depths, the deepest better than the first, with the answers to each of 200 items."""
    draw, rows = np.random.default_rng(3), []
    for depth, acc in ((1, 0.7), (2, 0.71), (4, 0.85)):
        for seed in range(seeds):
            right = draw.random(200) < acc
            row = {"run": f"{depth}/{seed}", "arm": "", "point": f"depth={depth}", "status": "done", "depth": depth}
            row |= {"data": "subjects", "seed": seed, "test_acc": right.mean(), "gap_end": draw.normal(0.5, 0.2)}
            rows.append(row | {"test_right": "".join("01"[bool(x)] for x in right)})
    bag = "1" * 140 + "0" * 60
    facts = {"subjects": {**FACTS["subjects"], "tfidf_acc": 0.7, "tfidf_right": bag}}
    return replace(encoding_study(), axes=("depth",), runs=pd.DataFrame(rows), facts=facts)


def test_loss_beyond_the_trained_length_is_above_the_sources_own_on_the_same_items() -> None:
    found = comparisons.scores_by_length(encoding_study())
    row = found[(found["pe"] == "rope") & (found["length"] == 32)].iloc[0]
    assert math.isclose(row["excess"], 0.352 + 0.002) and math.isclose(row["loss"], 1.82 + 0.002)
    assert found[found["length"] == 64]["excess"].isna().all()
    old = encoding_study()  # runs from before the source's loss was stored
    cells = [[cell[:3] for cell in row] if isinstance(row, list) else row for row in old.runs["by_length"]]
    unknown = comparisons.scores_by_length(replace(old, runs=old.runs.assign(by_length=cells)))
    assert unknown["excess"].isna().all() and unknown["loss"].notna().any()


def test_scores_by_order_are_the_accuracy_lost_without_the_order() -> None:
    found = comparisons.scores_by_order(encoding_study())
    assert set(found["data"]) == {"subjects"} and np.allclose(found["shuffled"], 0.1)
    assert np.allclose(found["reversed"], 0.2) and "shifted" not in found


def test_the_tables_fit_80_columns_and_name_a_length_that_an_encoding_refuses() -> None:
    out = io.StringIO()
    console = Console(width=80, file=out)
    for title, table in comparisons.build_tables(encoding_study()):
        console.print(title)
        console.print(table)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    assert "test accuracy against pe=learned, data=subjects" in text and "refused" in text
    assert "excess loss, nats, by test length, data=markov" in text and "-0.200" in text


def test_a_study_without_other_lengths_or_orders_has_no_scores_of_them() -> None:
    found = encoding_study()
    bare = replace(found, runs=found.runs[found.runs["data"] == "subjects"].drop(columns=["by_length"]))
    assert comparisons.scores_by_length(bare).empty
    none = replace(found, runs=found.runs.assign(status="failed"))
    assert comparisons.scores_by_order(none).empty and comparisons.scores_by_length(none).empty
