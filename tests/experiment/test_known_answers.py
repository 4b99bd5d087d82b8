"""Known answers: expectations are read and compared with the runs."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from stackcli.config import recorded_settings
from stackcli.experiment import known_answers
from stackcli.experiment.known_answers import Expectation, check_expectations, read_expectations
from stackcli.experiment.load import load_study
from stackcli.experiment.store import Store
from tests.analysis.examples import encoding_study

STUDY = replace(encoding_study(), runs=encoding_study().runs.query("data == 'markov'").assign(arm=lambda r: r["pe"]))


def one(metric: str, operation: str, bound: float, *arms: str) -> known_answers.Outcome:
    return check_expectations(STUDY, [Expectation(arms, metric, operation, bound)])[0]


def test_means_over_seeds_are_compared_with_the_bound() -> None:
    runs = STUDY.runs[STUDY.runs["arm"] == "rope"]
    found = one("test_acc", ">=", 0.8, "rope")
    assert found.held and found.mean == pytest.approx(runs["test_acc"].mean()) and len(found.values) == 5
    assert not one("test_acc", ">=", 0.9, "rope").held and not one("test_acc", "==", 0.8, "rope").held


def test_an_expectation_may_name_a_length_or_the_difference_of_two_arms() -> None:
    assert one("excess@32", "<=", 0.36, "rope").mean == pytest.approx(0.354)
    runs = STUDY.runs.groupby("arm")["test_acc"].mean()
    assert one("test_acc", ">=", 0.05, "rope", "none").mean == pytest.approx(runs["rope"] - runs["none"])
    assert not one("excess@64", "<=", 1.0, "rope").held  # refused there: without a number nothing holds


def test_the_first_answers_of_a_token_and_the_rest_are_measured_apart() -> None:
    runs = STUDY.runs.assign(acc_by_output=[(1.0, 0.9, 0.2, 0.1)] * len(STUDY.runs))
    several = replace(STUDY, runs=runs)
    inside, beyond = (Expectation(("rope",), f"{name}@2", ">=", 0.5) for name in ("inside", "beyond"))
    first, second = check_expectations(several, [inside, beyond])
    assert first.mean == pytest.approx(0.9) and first.held and second.mean == pytest.approx(0.2) and not second.held


def test_the_position_probe_of_a_layer_has_a_value_for_each_finished_run_of_the_arm() -> None:
    runs = STUDY.runs[STUDY.runs["arm"].isin(["rope", "none"])]
    rows = [
        {"run": run, "layer": layer, "position_acc": (0.125 if arm == "none" else 0.25) * (1 + layer)}
        for run, arm in zip(runs["run"], runs["arm"], strict=True)
        for layer in (0, 1)
    ]
    study = replace(STUDY, stack=pd.DataFrame(rows))
    exact, above = (Expectation((arm,), "position@1", "==", 0.5) for arm in ("rope", "none"))
    first, second = check_expectations(study, [exact, above])
    assert first.held and first.values == (0.5,) * 5 and not second.held and second.mean == 0.25
    assert not check_expectations(study, [Expectation(("rope",), "position@2", ">=", 0.0)])[0].held  # no such layer


def test_the_share_of_items_in_which_a_method_finds_what_decides_is_measured() -> None:
    runs = STUDY.runs[STUDY.runs["arm"].isin(["rope", "none"])]
    rows = [
        {"run": run, "method": method, "control": False, "first": share}
        for run, arm in zip(runs["run"], runs["arm"], strict=True)
        for method, share in (("occlusion", 1.0 if arm == "rope" else 0.25), ("rollout", 0.5), ("integrated", None))
    ]
    found = replace(STUDY, runs=runs, score_tables=lambda: (pd.DataFrame(rows), pd.DataFrame()))
    asks = [
        Expectation((arm,), f"first@{method}", ">=", 0.95)
        for arm, method in (("rope", "occlusion"), ("none", "occlusion"), ("rope", "rollout"), ("rope", "integrated"))
    ]
    outcomes = check_expectations(found, asks)
    assert [o.held for o in outcomes] == [True, False, False, False]  # a method without numbers does not hold
    assert [o.values for o in outcomes] == [(1.0,) * 5, (0.25,) * 5, (0.5,) * 5, ()]


def test_a_study_marked_explain_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr("subprocess.run", lambda line, check, stdout: asked.append(line[3:]))
    monkeypatch.setattr(known_answers, "load_study", lambda store, study: STUDY)
    monkeypatch.setattr(known_answers, "Store", lambda out, create: None)
    for name in ("trigger-is-found", "recall-depth"):
        known_answers.replay_study(name, tmp_path, 7)
    assert ["--explain" in line for line in asked] == [True, False] and asked[0][0] == "sweep"


def test_without_finished_runs_no_expectation_holds_and_an_unknown_arm_is_named() -> None:
    gone = replace(STUDY, runs=STUDY.runs.assign(status="diverged"))
    assert not check_expectations(gone, [Expectation(("rope",), "test_acc", ">=", 0.0)])[0].held
    with pytest.raises(ValueError, match="no arm 'ropes'"):
        one("test_acc", ">=", 0.0, "ropes")


def test_every_recorded_expectation_is_of_an_arm_that_is_run() -> None:
    files = [
        f
        for n in recorded_settings.experiment_names()
        if (f := known_answers.experiment_folder(n) / "expected.txt").is_file()
    ]
    assert len(files) >= 5
    for file in files:
        arms = set(recorded_settings.read_experiment(file.parent.name))
        assert {arm for e in read_expectations(file) for arm in e.arms} == arms


def test_a_study_marked_probe_is_probed_and_its_slopes_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(line: list[str], check: bool, stdout: int) -> None:
        asked.append(line[3:])
        place = tmp_path / "probes" / "gradient-against-depth-7"
        place.mkdir(parents=True)
        rows = [f"{arm},{seed},{slope},1" for arm, slope in (("post", 0.05), ("pre", -0.7)) for seed in (0, 1)]
        (place / "slopes.csv").write_text("\n".join(["arm,seed,slope_free,order", *rows]))

    monkeypatch.setattr("subprocess.run", run)
    found = known_answers.replay_study("gradient-against-depth", tmp_path, 7)
    name = "gradient-against-depth"
    line = ["probe", "--experiment", name, "seed=7", "--study", f"{name}-7", "--out", str(tmp_path), "--quiet"]
    assert asked == [line]
    asks = [Expectation((arm,), "slope_free", ">=", -0.6) for arm in ("post", "pre")]
    assert [(o.held, o.values) for o in check_expectations(found, asks)] == [
        (True, (0.05, 0.05)),
        (False, (-0.7, -0.7)),
    ]


def test_no_expectation_of_a_study_that_cannot_be_run_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(line: list[str], check: bool, stdout: int) -> None:
        raise subprocess.CalledProcessError(4, line)

    monkeypatch.setattr("subprocess.run", run)
    assert known_answers.run_known_answers(["gradient-against-depth", "--out", str(tmp_path)]) == 1
    expected = len(read_expectations(known_answers.experiment_folder("gradient-against-depth") / "expected.txt"))
    said = capsys.readouterr().out
    assert "exit code 4" in said and f"{expected} expectations failed" in said


def test_a_line_of_another_form_is_named(tmp_path: Path) -> None:
    (tmp_path / "e.txt").write_text("# fine\nrope: test_acc = 1\n")
    with pytest.raises(ValueError, match="'rope: test_acc = 1' is not"):
        read_expectations(tmp_path / "e.txt")


def test_a_study_with_a_file_attack_is_attacked_and_the_accuracy_is_a_column(
    classifier: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "outputs"
    shutil.copytree(classifier[0], out)
    store = Store(out, create=False)
    frames = load_study(store, store.studies()[0])
    frames = replace(frames, runs=frames.runs.assign(arm="a"))
    found = known_answers.attack_runs(frames, out, ["attack=pgd,reversal", "attack.budget=0.01,50"])
    (run,) = found.runs["run"]
    rows = json.loads((out / "attacks" / run / "attacks.json").read_text())["rows"]
    for name, row in zip(("pgd-0.01", "pgd-50", "reversal"), rows, strict=True):
        outcome = check_expectations(found, [Expectation(("a",), f"attacked@{name}", "<=", 1.0)])[0]
        assert outcome.mean == (row["right"] - row["flipped"]) / row["items"] and outcome.held
    assert found.runs["attacked@pgd-50"].item() < found.runs["attacked@pgd-0.01"].item()
