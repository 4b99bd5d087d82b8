"""What went wrong in one run, as numbers beside their thresholds."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from stackcli.analysis import run_health
from tests.analysis.examples import FLAT, GUESS, run, study


def looks(measure: str, value: float) -> dict[str, Any]:
    """The keyword of `run` for a number that every look of a run has."""
    return {measure: value}


def columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.array([row[name] for row in rows], dtype=float) for name in ("step", "epoch", "train_loss")}


def found(*runs: Mapping[str, Any], **data: Any) -> list[set[str]]:
    return [set(run_health.detect_findings(r)) for r in run_health.completed_runs(study(*runs, **data))]


def test_the_loss_of_guessing_is_the_entropy_of_the_labels() -> None:
    only = next(run_health.completed_runs(study(run(), shares=(0.5, 0.25, 0.25, 0.0))))
    assert only.guess == pytest.approx(1.5 * math.log(2), abs=1e-12)
    known = next(run_health.completed_runs(study(run(), entropy=0.4, shares=(0.5, 0.25, 0.25, 0.0))))
    assert known.scale == pytest.approx(1.5 * math.log(2) - 0.4, abs=1e-12)


def test_learnt_is_the_share_of_the_way_from_guessing_to_the_point_that_validates_best() -> None:
    best, worse = run((1.4, 0.3), point="a"), run((1.4, 0.9), point="b", gap=0.1)
    a, b = run_health.completed_runs(study(best, worse))
    assert a.curve["learnt"][-1] == pytest.approx(1.0)
    assert b.curve["learnt"][-1] == pytest.approx((GUESS - 0.9) / (GUESS - 0.3))


def test_a_point_that_memorises_noise_does_not_define_what_can_be_learnt() -> None:
    """A fifth of the labels is wrong; one point stops at their entropy, the other goes on and validates worse."""
    honest = run((1.4, 0.8, 0.72, 0.72, 0.72), point="a")
    by_heart = run((1.4, 0.8, 0.3, 0.1, 0.05), point="b", gap=2.0)
    assert found(honest, by_heart) == [set(), {"overfitting"}]


def test_a_study_in_which_nothing_learns_does_not_define_what_can_be_learnt() -> None:
    assert found(run(FLAT)) == [{"underfitting"}]


def test_the_known_entropy_of_the_data_is_subtracted() -> None:
    assert found(run((1.4, 1.2, 1.1, 1.1, 1.1)), entropy=1.05) == [set()]
    assert found(run((1.4, 1.2, 1.1, 1.1, 1.1))) == [{"underfitting"}]


@pytest.mark.parametrize(
    ("name", "measure", "faulty", "well"),
    [
        ("vanishing gradient", "gradient", 0.9e-2, 1.1e-2),
        ("exploding gradient", "gradient", 110.0, 90.0),
        ("rank collapse", "rank", 0.9 * run_health.COLLAPSED, 1.1 * run_health.COLLAPSED),
        ("attention collapse", "focus", 0.09, 0.11),
        ("undertuned learning rate", "update", 0.9e-3, 1.1e-3),
        ("undertuned learning rate", "update", 5.5e-2, 4.5e-2),
    ],
)
def test_a_stack_that_does_not_learn_is_explained_by_the_number_beyond_its_threshold(
    name: str, measure: str, faulty: float, well: float
) -> None:
    assert found(run(FLAT, **looks(measure, faulty))) == [{name}]
    assert found(run(FLAT, **looks(measure, well))) == [{"underfitting"}]


@pytest.mark.parametrize("measure", ["gradient", "rank", "focus", "update"])
def test_a_stack_that_learns_has_no_finding_whatever_its_numbers(measure: str) -> None:
    assert found(run(**looks(measure, 1e-9))) == [set()]
    assert found(run(**looks(measure, 1e9))) == [set()]


def test_an_evaluation_before_the_first_look_makes_no_look_count() -> None:
    late = run(FLAT, rank=1e-9)
    late["layers"] = [line for line in late["layers"] if line["step"] == 100]
    early = {**late, "curve": [line for line in late["curve"] if line["step"] < 100]}
    assert found(late) == [{"rank collapse"}] and found(early) == [{"underfitting"}]


def test_a_fault_that_ended_before_the_run_could_be_stuck_is_no_finding() -> None:
    early = (1e-9, 1e-9, 1e-9, 0.3, 0.3, 0.3)  # in the looks at 0, 1 and 4
    assert found(run(FLAT, rank=early)) == [{"underfitting"}]  # evaluations at 25, 50, 75, 100
    assert found(run((1.4, *FLAT, *FLAT), rank=early)) == [{"underfitting"}]  # at 10, too early to be stuck, 20, ...
    for at in (3, 4, 5):  # the last looks before 25, before 75, and at 100
        late = [1e-9 if i == at else 0.3 for i in range(6)]
        assert found(run(FLAT, rank=late)) == [{"rank collapse"}], at


def test_a_collapse_that_delayed_the_run_for_half_of_its_steps_is_found() -> None:
    held = run((1.4, 1.39, 1.39, 0.6, 0.1), rank=(0.3, 0.3, 0.3, 1e-3, 0.3, 0.3))
    (only,) = run_health.completed_runs(study(held))
    assert run_health.detect_findings(only) == {"rank collapse": run_health.Sign(1e-3, run_health.COLLAPSED, 16)}


def test_a_rate_that_is_too_high_explains_what_was_fine_before_the_first_step() -> None:
    after = (0.9, 0.9, *(1e-9,) * 4)
    assert found(run(FLAT, update=0.3, focus=after, rank=after)) == [{"undertuned learning rate"}]
    assert found(run(FLAT, update=0.3, focus=1e-9)) == [{"undertuned learning rate", "attention collapse"}]


def test_a_run_that_diverged_in_the_first_quarter_of_its_planned_steps_was_not_stuck() -> None:
    early = run((1.4, 1.39), rank=(0.3, 0.3, 1e-3, 0.3, 0.3, 0.3), diverged=12)
    for line, step in zip(early["curve"], (0, 10), strict=True):
        line["step"], line["epoch"] = step, step / 50
    early["layers"] = [line for line in early["layers"] if line["step"] <= 4]
    early["row"] |= {"steps": 400}
    assert found(early)[0] >= {"divergence"} and run_health.planned_steps(early["row"], columns(early["curve"])) == 400
    epochs = {**early["row"], "steps": 0, "epochs": 8}
    assert run_health.planned_steps(epochs, columns(early["curve"])) == 400
    stuck = {**columns(early["curve"]), "learnt": np.zeros(2)}
    assert not len(run_health.stuck_evaluations(stuck, 400)) and list(run_health.stuck_evaluations(stuck, 40)) == [10]


def test_a_rate_that_is_too_high_is_found_even_if_the_run_learns_in_the_end() -> None:
    assert found(run((1.4, 1.5, 1.5, 0.6, 0.1), update=0.3)) == [{"undertuned learning rate"}]


def test_a_weight_that_starts_at_zero_has_no_relative_update() -> None:
    r = run(FLAT, update=1.1e-3)
    for line in r["layers"]:
        if line["tensor"] in ("v", "ff2") and line["step"] <= 16:
            line["update"] = math.inf if line["step"] else None
    assert found(r) == [{"underfitting"}]


def test_weights_that_get_no_gradient_are_not_said_to_have_too_low_a_rate() -> None:
    assert found(run(FLAT, update=1e-6, gradient=1e-9)) == [{"vanishing gradient"}]


def test_an_exploding_gradient_explains_aligned_tokens_and_saturated_attention() -> None:
    assert found(run(FLAT, gradient=1e4, rank=1e-4, focus=0.0)) == [{"exploding gradient"}]


def test_overfitting_is_a_gap_of_a_quarter_of_guessing_in_a_run_that_learnt() -> None:
    assert found(run(gap=0.26 * GUESS)) == [{"overfitting"}]
    assert found(run(gap=0.24 * GUESS)) == [set()]
    assert found(run(FLAT, gap=2.0)) == [{"underfitting"}]


def test_a_diverged_run_has_its_step_and_the_finding_of_its_last_look() -> None:
    broken = run((1.4,), diverged=70, gradient=(*(3.0,) * 5, 1e6), gap=math.nan)
    only = next(run_health.completed_runs(study(broken, run(seed=1, point="well"))))
    assert run_health.detect_findings(only) == {
        "divergence": pytest.approx(run_health.Sign(70, math.nan, 70), nan_ok=True),
        "exploding gradient": run_health.Sign(1e6, run_health.EXPLODES, 100),
    }


def test_runs_that_failed_are_left_out_and_runs_without_looks_are_judged_by_their_losses() -> None:
    bare = {**run(FLAT), "layers": []}
    failed = run(seed=1, settings={"status": "failed"})
    assert found(bare, failed) == [{"underfitting"}]


def test_attention_that_can_see_one_token_only_is_not_called_collapsed() -> None:
    assert found(run(FLAT, focus=0.0, even=0.0)) == [{"underfitting"}]
    assert found(run(FLAT, focus=0.0, even=math.log(2))) == [{"attention collapse"}]


def test_without_class_shares_learning_is_not_judged() -> None:
    assert found(run(FLAT, rank=1e-9), shares=()) == [set()]


def test_queries_and_keys_without_a_gradient_in_any_layer_are_a_finding() -> None:
    assert found(run(FLAT, starved=1e-17)) == [{"starved queries and keys"}]
    assert found(run(FLAT, starved=0.02)) == [{"underfitting"}]
    assert found(run(starved=1e-17)) == [set()]  # it learns


@pytest.mark.parametrize(("cause", "value"), [("rank", 1e-9), ("focus", 0.0), ("gradient", 1e9)])
def test_the_cause_of_starved_queries_and_keys_is_the_only_finding(cause: str, value: float) -> None:
    (names,) = found(run(FLAT, starved=1e-17, **looks(cause, value)))
    assert "starved queries and keys" not in names and len(names) == 1
