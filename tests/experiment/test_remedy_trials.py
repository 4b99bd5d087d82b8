"""Remedies: the point at which each finding is treated, the runs that are tried there, and their effects."""

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from stackcli.analysis import findings, remedy_effects, run_health
from stackcli.analysis.findings import Finding
from stackcli.analysis.remedy_catalogue import Remedy
from stackcli.experiment import remedy_trials
from stackcli.experiment.store import Store
from stackcli.experiment.study import AWAY
from tests.analysis.examples import FLAT
from tests.analysis.examples import run as one_run
from tests.analysis.examples import study as of_losses
from tests.factory import config, part
from tests.figures.factory import study
from tests.helpers import stackattn, words, write_data

WARM, CALM = Remedy(("warmup=0.2",), ""), Remedy(("dropout=0.3",), "")


def finding(name: str, point: str, k: int, *ways: Remedy) -> Finding:
    return Finding(name, point, "", 1.0, 0.5, "", (k, 3), ways)


RUNS = pd.DataFrame({"point": ["depth=2", "depth=8", "depth=16"], "depth": [2, 8, 16]})


def test_each_finding_is_treated_where_most_runs_have_it_and_of_these_at_the_deepest_point() -> None:
    found = [finding("overfitting", "depth=2", 3, CALM), finding("overfitting", "depth=8", 3, CALM)]
    found += [finding("overfitting", "depth=16", 2, CALM), finding("divergence", "depth=16", 1, WARM)]
    taken = {f.name: f.point for f in findings.worst_points(found, RUNS)}
    assert taken == {"overfitting": "depth=8", "divergence": "depth=16"}


def test_a_finding_without_a_remedy_is_not_treated_and_no_remedy_is_tried_twice_at_a_point() -> None:
    found = [finding("divergence", "depth=16", 3, WARM), finding("underfitting", "depth=16", 3, WARM, CALM)]
    assert remedy_trials.choose_remedies(found, RUNS) == {"depth=16": [("warmup=0.2",), ("dropout=0.3",)]}
    assert remedy_trials.choose_remedies([finding("overfitting", "depth=2", 3)], RUNS) == {}


def test_only_the_first_of_many_remedies_are_tried() -> None:
    many = [Remedy((f"dropout=0.{i}",), "") for i in range(1, 9)]
    assert remedy_trials.choose_remedies([finding("overfitting", "depth=2", 3, *many)], RUNS)["depth=2"] == [
        (f"dropout=0.{i}",) for i in range(1, remedy_trials.MOST + 1)
    ]


def test_a_treated_run_differs_only_in_the_remedy_and_a_replaced_part_loses_its_keys() -> None:
    affected = config(residual="post", norm=part("layer", eps=1e-3), seed=7, depth=3)
    assert remedy_trials.apply_remedy(affected, ("warmup=0.2",)) == replace(affected, warmup=0.2)
    other = remedy_trials.apply_remedy(affected, ("norm=none",))
    assert other == replace(affected, norm=part("none"))
    assert remedy_trials.apply_remedy(affected, ("residual=deepnorm",)).residual.name == "deepnorm"


def test_the_affected_runs_come_first_and_every_run_is_paired_by_seed() -> None:
    affected = {"depth=4 residual=post": [config(residual="post", depth=4, seed=s) for s in (0, 1)]}
    tried = {"depth=4 residual=post": [("warmup=0.2",), ("residual=pre",)]}
    arms = remedy_trials.arms_of(tried, affected, overrides=(), typed=())
    assert [label["remedy"] for label in arms.labels] == ["as it was"] * 2 + ["warmup=0.2"] * 2 + ["residual=pre"] * 2
    assert [c.seed for c in arms.configs] == [0, 1] * 3
    assert arms.base == {}  # it may grow by other points and other remedies
    assert {label["affected"] for label in arms.labels} == {"depth=4 residual=post"}


def treated_frames(monkeypatch: pytest.MonkeyPatch, still: dict[str, int]) -> Any:
    """Runs of one affected point, as it was and with two remedies; `still`: point -> runs that have the finding."""
    frames = study({"remedy": ["as it was", "warmup=0.2", "dropout=0.3"], "affected": ["depth=16"]})
    gain = {"as it was": 0.0, "warmup=0.2": 0.3, "dropout=0.3": 0.0}
    runs = frames.runs.assign(
        test_acc=[0.4 + 0.01 * s + gain[r] for s, r in zip(frames.runs["seed"], frames.runs["remedy"], strict=True)]
    )
    runs["step_ms"] = runs["remedy"].map({"as it was": 10.0, "warmup=0.2": 10.0, "dropout=0.3": 12.0})
    points = dict(zip(runs["remedy"], runs["point"], strict=True))
    found = [finding("underfitting", points[remedy], k) for remedy, k in still.items() if k]
    monkeypatch.setattr(findings, "findings", lambda _: found)
    return replace(frames, runs=runs, command="remedies")


def test_effects_show_how_the_finding_the_accuracy_and_the_time_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = treated_frames(monkeypatch, {"as it was": 3, "warmup=0.2": 0, "dropout=0.3": 2})
    rows = remedy_effects.remedy_effects(frames).set_index("remedy")
    assert rows["had"].tolist() == [3, 3, 3] and rows["has"].tolist() == [3, 0, 2]
    assert rows.loc["warmup=0.2", "mean"] == pytest.approx(0.3) and rows.loc["dropout=0.3", "mean"] == pytest.approx(0)
    assert math.isnan(rows.loc["warmup=0.2", "low"]) and rows.loc["warmup=0.2", "wins"] == 3  # equal differences
    assert rows.loc["dropout=0.3", "step_ratio"] == pytest.approx(1.2)
    assert remedy_effects.describe_remedies(frames) == [
        "Underfitting at depth=16: removed in every seed by warmup=0.2 (+0.300 in test accuracy, a step takes 1.00 "
        "times as long)."
    ]


def test_where_no_remedy_removed_a_finding_the_best_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = treated_frames(monkeypatch, {"as it was": 3, "warmup=0.2": 1, "dropout=0.3": 3})
    said = remedy_effects.describe_remedies(frames)
    assert said == [
        "Underfitting at depth=16: no remedy removed it in every seed; least with warmup=0.2, 1 of 3 seeds."
    ]


def test_a_remedy_with_which_runs_break_removes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = treated_frames(monkeypatch, {"as it was": 3, "warmup=0.2": 0, "dropout=0.3": 2})
    first = (frames.runs["remedy"] == "warmup=0.2") & (frames.runs["seed"] == 0)
    for broken in ("diverged", "failed"):
        spoilt = replace(frames, runs=frames.runs.assign(status=frames.runs["status"].mask(first, broken)))
        (said,) = remedy_effects.describe_remedies(spoilt)
        assert (
            said
            == "Underfitting at depth=16: no remedy removed it in every seed; least with dropout=0.3, 2 of 3 seeds."
        )
        out = Console(width=200, file=io.StringIO())
        out.print(remedy_effects.remedy_tables(spoilt)[0][1])
        share = {"diverged": "0/3", "failed": "0/2"}[broken]  # a run that diverged shows what it could
        words = " ".join(out.file.getvalue().split())  # type: ignore[attr-defined]
        assert f"{share}, 1 unfinished" in words


def test_findings_of_the_affected_study_count_even_where_the_remedies_alone_do_not_show_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = treated_frames(monkeypatch, {})
    assert remedy_effects.remedy_effects(frames).empty
    known = {"found": {"depth=16": {"underfitting": [3, 3, False]}}, "reached": {}}
    rows = remedy_effects.remedy_effects(replace(frames, known=known)).set_index("remedy")
    assert rows["had"].tolist() == [3, 3, 3] and rows["has"].tolist() == [0, 0, 0]
    edge = {"found": {"depth=16": {"undertuned learning rate": [2, 3, True]}}, "reached": {}}
    (said,) = remedy_effects.describe_remedies(replace(frames, known=edge))
    assert said.startswith(
        "Undertuned learning rate at depth=16, the end of the values tried; beyond it: warmup=0.2 (+0."
    )
    assert "removed" not in said and "gone" not in said


def test_the_loss_that_counts_as_learnt_comes_from_the_affected_study() -> None:
    rows = [one_run((*FLAT[:-1], 1.1), seed=s) for s in (0, 1)]  # the best there is here, and a bad one
    alone = list(run_health.completed_runs(of_losses(*rows)))
    reached = replace(of_losses(*rows), known={"reached": {"majority": 0.1}})
    assert (
        alone[0].curve["learnt"][-1] > 0.4 > 0.25 > next(iter(run_health.completed_runs(reached))).curve["learnt"][-1]
    )


def test_a_remedy_that_cannot_be_tried_is_reported_and_the_next_one_tried(tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    one = config(residual="sandwich", depth=2)
    assert "layer_drop does not go with" in remedy_trials.find_objection(one, ("layer_drop=0.2",), store)
    assert remedy_trials.find_objection(one, ("dropout=0.1",), store) == "the run has it already"
    assert remedy_trials.find_objection(one, ("dropout=0.3",), store) == ""
    found = [finding("overfitting", "depth=2", 3, WARM, CALM)]
    assert remedy_trials.choose_remedies(found, RUNS, lambda point, words: words != WARM.words) == {
        "depth=2": [CALM.words]
    }
    assert remedy_trials.choose_remedies(found, RUNS, lambda point, words: False) == {}


def test_where_every_run_still_has_the_finding_no_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = treated_frames(monkeypatch, {"as it was": 3, "warmup=0.2": 3, "dropout=0.3": 3})
    assert remedy_effects.describe_remedies(frames) == ["Underfitting at depth=16: no remedy removed it in every seed."]


@pytest.mark.slow
def test_the_remedies_of_a_real_study_are_run_and_reported(tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.csv", 80)
    affected = words(data, "depth=1,2", "residual=pre", "lr=1e-7", "steps=20", "seeds=2", "label_smoothing=0")
    done = stackattn("ablate-depth", *affected, "--remedies", "--study", "s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "outputs" / "studies" / "s-remedies" / "remedies.csv")
    assert "as it was" in set(rows["remedy"]) and " was " in done.stdout  # the name may take two lines of the table
    said = [line for line in done.stdout.splitlines() if "stackattn " not in line]  # a command is never cut in two
    assert max(map(len, said)) <= 80
    again = stackattn("ablate-depth", *affected, "--remedies", "--study", "s", cwd=tmp_path)
    assert again.returncode == 0 and "0 to train" in again.stderr and again.stdout == done.stdout


def test_a_run_that_belongs_to_two_points_is_read_once_for_each() -> None:
    frames = study({"depth": [2, 4]})
    frames = replace(frames, runs=frames.runs.assign(train_loss=0.1), layers=frames.layers.assign(g4=1.0))
    twice = {
        name: pd.concat([rows, rows.assign(point="other")], ignore_index=True)
        for name in ("runs", "curve", "layers")
        for rows in [getattr(frames, name)]
    }
    once, both = list(run_health.completed_runs(frames)), list(run_health.completed_runs(replace(frames, **twice)))
    assert len(both) == 2 * len(once) == 12
    for a, b in zip(once + once, both, strict=True):
        assert a.looks.keys() == b.looks.keys() and a.curve["step"].tolist() == b.curve["step"].tolist()
        assert all(np.array_equal(a.looks[name], b.looks[name], equal_nan=True) for name in a.looks)


def test_remedies_and_the_unchanged_stack_run_on_seeds_that_the_study_does_not_have() -> None:
    affected = {"depth=4": [config(depth=4, seed=s) for s in (0, 1, 2)]}
    again = {point: remedy_trials.on_fresh_seeds(configs) for point, configs in affected.items()}
    arms = remedy_trials.arms_of({"depth=4": [("warmup=0.2",)]}, again, overrides=(), typed=())
    seeds = [c.seed for c in arms.configs]
    assert seeds[:3] == seeds[3:] and len(set(seeds)) == 3 and not set(seeds) & {0, 1, 2}
    tuned = {s + n * AWAY for s in range(3) for n in (0, 1)}  # of the study, and of a search for it
    assert not set(seeds) & tuned


def test_a_remedy_keeps_the_parts_and_defaults_of_the_users_own_folder(tmp_path: Path) -> None:
    from stackcli.config import grid

    (tmp_path / "pe").mkdir()
    (tmp_path / "pe" / "relative.yaml").write_text("name: relative\nclip: 3\n")
    (affected,) = grid.parse_grid(["pe=relative", "seeds=1"], config_dir=tmp_path).configs
    assert affected.pe.options["clip"] == 3
    treated = remedy_trials.apply_remedy(replace(affected, pe=part("none")), ("pe=relative",), tmp_path)
    assert treated.pe.options["clip"] == 3
    assert remedy_trials.apply_remedy(replace(affected, pe=part("none")), ("pe=relative",)).pe.options["clip"] == 16


def test_a_fault_that_fresh_seeds_do_not_show_is_not_reported_as_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = treated_frames(monkeypatch, {"as it was": 0, "warmup=0.2": 0, "dropout=0.3": 0})
    (said,) = remedy_effects.describe_remedies(
        replace(frames, known={"found": {"depth=16": {"underfitting": (3, 3, False)}}})
    )
    assert "not seen in the unchanged stack on any of 3 fresh seeds" in said
