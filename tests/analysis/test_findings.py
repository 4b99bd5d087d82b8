"""What went wrong at each point of a study, in how many runs, and the number that says so."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import pytest

from stackcli.analysis import findings, run_health
from stackcli.analysis.run_health import Sign
from stackcli.analysis.study_data import Frames
from tests.analysis.examples import FLAT, run, study, typed
from tests.constructed import CASES, frames

ONE, FIVE = (0,), (100, 101, 102, 103, 104)


# each finding and two healthy stacks are enough for every day; the healthy ones left out differ in one setting each
RARE = ("healthy, eight blocks", "healthy, sharp heads", "healthy, a fifth of the labels wrong", "no skip")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in RARE else name for name in CASES]
)
def test_a_constructed_stack_shows_its_finding_and_no_other(name: str) -> None:
    raised(name, ONE)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_constructed_stack_shows_its_finding_and_no_other_in_each_of_five_seeds(name: str) -> None:
    raised(name, FIVE)


def raised(name: str, seeds: tuple[int, ...]) -> None:
    found = findings.findings(frames(name, seeds))
    assert {f.name: f.seeds for f in found} == dict.fromkeys(CASES[name].found, (len(seeds), len(seeds)))


# ---- what is said of a finding


def named(name: str, frames: Frames) -> findings.Finding:
    return next(f for f in findings.findings(frames) if f.name == name)


def test_a_finding_counts_the_runs_that_have_it_and_shows_their_median() -> None:
    each = [0.002, 0.001, 0.004, 0.3, 0.3]
    faulty = [run(FLAT, seed=i, rank=rank, settings=typed("data=majority")) for i, rank in enumerate(each)]
    broken = run((1.4,), seed=5, settings={**typed("data=majority"), "status": "lost"})
    found = named("rank collapse", study(*faulty, broken))
    assert (found.value, found.threshold, found.seeds) == (0.002, 0.005, (3, 5))
    assert "0.002" in found.evidence and "0.005" in found.evidence


def test_points_keep_the_order_of_the_study_and_the_most_severe_finding_comes_first() -> None:
    rows = [run(FLAT, point="b", rank=1e-9, gradient=1e-9), run(point="a", gap=1.0), run(point="c")]
    rows = [{**r, "row": {**typed("data=majority"), **r["row"]}} for r in rows]
    assert [(f.point, f.name) for f in findings.findings(study(*rows))] == [
        ("b", "vanishing gradient"),
        ("b", "rank collapse"),
        ("a", "overfitting"),
    ]


def rates(val: Mapping[float, float]) -> Frames:
    rows = []
    for lr, loss in val.items():
        for seed in range(3):
            r = run(point=f"lr={lr:g}", seed=seed, settings={**typed("data=majority"), "lr": lr, "flops_len": 8})
            rows.append({**r, "row": {**r["row"], "val_loss": loss + 0.01 * seed}})
    return replace(study(*rows), axes=("lr",))


def test_a_best_learning_rate_that_is_the_largest_tried_is_a_finding() -> None:
    (only,) = findings.findings(rates({0.001: 0.3, 0.003: 0.2, 0.01: 0.1}))
    assert (only.point, only.name, only.seeds) == ("lr=0.01", "undertuned learning rate", (3, 3))
    assert only.remedies[0].words == ("lr=0.03",)
    assert findings.findings(rates({0.001: 0.3, 0.003: 0.1, 0.01: 0.2})) == []
    assert findings.findings(rates({0.001: 0.3, 0.01: 0.2})) == []  # of two one is always at an end


def test_a_learning_rate_with_a_diverged_run_is_not_the_best() -> None:
    original = rates({0.001: 0.3, 0.003: 0.2, 0.01: 0.1})
    broken = (original.runs["lr"] == 0.01) & (original.runs["seed"] == 1)
    rows = original.runs.assign(status=original.runs["status"].mask(broken, "diverged"))
    rows = rows.assign(diverged_step=pd.to_numeric(rows["diverged_step"]).mask(broken, 9))
    assert [f.name for f in findings.findings(replace(original, runs=rows))] == ["divergence"]


def test_each_seed_is_judged_by_its_own_threshold_and_the_evidence_says_so() -> None:
    runs = [run(seed=i, gap=gap, settings=typed("data=majority")) for i, gap in enumerate((0.9, 1.0, 1.1))]
    rows = list(run_health.completed_runs(study(*runs)))
    signs = [Sign(0.9, 0.3, 100.0), Sign(1.0, 0.4, 100.0), Sign(1.1, 0.5, 100.0)]
    finding = findings._finding("overfitting", "", list(zip(rows, signs, strict=True)), 3)
    assert (finding.value, finding.threshold, finding.seeds) == (1.0, 0.4, (3, 3))
    assert "(median; each seed has its own, 0.3 to 0.5)" in finding.evidence


def test_a_rate_too_high_for_some_seeds_and_too_low_for_others_counts_both() -> None:
    faulty = [run(FLAT, seed=i, update=u, settings=typed("data=majority")) for i, u in enumerate((0.5, 0.6, 1e-5))]
    found = named("undertuned learning rate", study(*faulty))
    assert found.seeds == (3, 3) and found.value == pytest.approx(0.55) and "too high" in found.evidence
    assert "1 of 3 runs lie on the other side" in found.evidence
