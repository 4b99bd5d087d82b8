"""A study as an object: its tables, sentences and figures; and what else is stored."""

import math
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import t

import stackcli as sa
from tests.helpers import stackattn


def test_the_rows_of_a_study_are_its_runs_steps_and_layers(study: sa.Study) -> None:
    runs = study.runs
    assert list(zip(runs["depth"], runs["seed"], runs["status"], strict=True)) == [
        (depth, seed, "done") for depth in (1, 2) for seed in (0, 1, 2)
    ]
    assert set(study.curve["run"]) == set(runs["run"]) and study.curve["step"].max() == 4
    layers = study.layers.groupby("depth")["layer"].max()
    assert layers.to_dict() == study.stack.groupby("depth")["layer"].max().to_dict() == {1: 1, 2: 2}


def test_changing_a_frame_changes_no_other(study: sa.Study) -> None:
    for frame in (study.runs, study.curve):
        frame["seed"] = 7
    assert set(study.runs["seed"]) == set(study.curve["seed"]) == {0, 1, 2}


def test_the_table_has_the_mean_and_the_interval_over_seeds(study: sa.Study) -> None:
    table = study.table(cols=["test_acc"])
    scores = study.runs.loc[study.runs["depth"] == 2, "test_acc"].tolist()
    mean = sum(scores) / 3
    half = t.ppf(0.975, 2) * math.sqrt(sum((x - mean) ** 2 for x in scores) / 2) / math.sqrt(3)
    row = table[table["depth"] == 2].iloc[0]
    assert row["test_acc"] == pytest.approx(mean)
    assert (row["test_acc_low"], row["test_acc_high"]) == pytest.approx((mean - half, mean + half))
    assert table["kind"].tolist() == ["study", "study", "baseline", "baseline"]
    assert study.table(sort="-depth", top=1)["depth"].iloc[0] == 2
    with pytest.raises(ValueError, match="did you mean test_acc"):
        study.table(cols=["tst_acc"])


def test_the_findings_are_the_sentences_that_the_command_prints(
    study: sa.Study, place: Path, settings: dict[str, Any]
) -> None:
    typed = [f"{key}={str(value).lower()}" for key, value in settings.items() if key != "data.path"]
    done = stackattn("sweep", "depth=1,2", "seeds=3", *typed, f"data.path={place / 't.csv'}", cwd=place)
    printed = " ".join(done.stdout.split())
    assert study.findings and all(" ".join(sentence.split()) in printed for sentence in study.findings)


def test_a_figure_that_does_not_exist_or_has_nothing_to_show_is_refused(study: sa.Study) -> None:
    with pytest.raises(ValueError, match="no figure 'acuracy'; did you mean accuracy"):
        study.figure("acuracy")
    with pytest.raises(ValueError, match=f"remedies: nothing to show for study {study.name}"):
        study.figure("remedies")


@pytest.mark.slow
def test_the_figures_of_a_study_are_those_that_can_be_drawn(study: sa.Study) -> None:
    assert "accuracy" in study.figures and "remedies" not in study.figures
    assert all(study.figure(name).name == name for name in study.figures)


def test_a_study_says_what_it_is(study: sa.Study) -> None:
    assert repr(study) == (f"<Study {study.name}: 6 runs (6 done); depth = 1, 2; seeds 0 to 2; in {study.out}>")
    html = study._repr_html_()
    assert "6 runs (6 done)" in html and html.count("<tr>") == 5  # heads, two depths, two baselines


def test_stored_studies_and_runs_are_listed_and_read_by_name(study: sa.Study, place: Path) -> None:
    out = place / "outputs"
    assert study.name in sa.studies(out)
    assert sa.load(out, study.name).runs.equals(study.runs)
    runs = sa.runs(out)
    assert set(study.runs["run"]) <= set(runs["run"])
    row = runs[runs["run"] == study.runs["run"][3]].iloc[0]
    assert (row["depth"], row["seed"], study.name in row["studies"]) == (2, 0, True)


def test_what_is_not_stored_is_said(study: sa.Study, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none-such: no such study in .*; there are "):
        sa.load(study.out, "none-such")
    for ask in (sa.load, sa.studies, sa.runs):
        with pytest.raises(ValueError, match="no store of runs"):
            ask(tmp_path / "nothing")


def test_a_report_is_written_where_it_is_asked_for(study: sa.Study, tmp_path: Path) -> None:
    path = study.report(tmp_path / "paper.md", format="md")
    assert path == tmp_path / "paper.md" and "depth" in path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="format='docx': choose from html, md, latex"):
        study.report(format="docx")
