"""Laws of depth: known exponents are found, theory is that of the papers, and each criterion fails where it should."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stackcli.analysis import depth_scaling

DEPTHS = (1, 2, 4, 8, 16, 32)
HEALTHY = {
    "finite": True,
    "free_ratio_init": 1.0,
    "apart": 0.3,
    "entropy": 0.9,
    "step_ratio": 1.0,
    "grad_last": 1.0,
    "free_last": 1.0,
    "update": 1.0,
    "order": 1.0,
    "order_theory": 1.0,
    "cosine": 0.999,  # not a criterion
    "rank": 1e-6,
}
SETTINGS = {"norm": "layer", "init": "xavier", "share_layers": False, "lr": 0.001, "status": "done", "dim": 64, "ff": 4}


def runs(residuals: tuple[str, ...] = ("pre",), depths: tuple[int, ...] = DEPTHS, seeds: int = 3) -> pd.DataFrame:
    """Stacks without a fault."""
    heads = [(r, d, s) for d in depths for r in residuals for s in range(seeds)]
    return pd.DataFrame([{"residual": r, "depth": d, "seed": s, **SETTINGS, **HEALTHY} for r, d, s in heads])


def spoilt(column: str, value: Any, where: str, frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """The stacks, with the number of a column changed at the rows of a query."""
    frame = runs() if frame is None else frame
    frame[column] = frame[column].astype(object if isinstance(value, bool) else float)
    frame.loc[frame.query(where).index, column] = value
    return frame


# ---- slopes


def test_planted_powers_of_depth_are_found_for_each_scheme_and_seed() -> None:
    frame = runs(("pre", "post"))
    power = frame["residual"].map({"pre": -0.5, "post": 0.25}) + 0.1 * frame["seed"]
    frame["free_last"] = 7 * frame["depth"] ** power
    frame["grad_last"] = 3 * frame["depth"] ** -power
    frame["update"] = frame["depth"] ** (2 * power)
    frame.loc[frame["depth"] == 1, ["free_last", "grad_last", "update"]] = 1e6  # one block is no stack
    found = depth_scaling.slopes(frame, ("depth", "residual")).set_index(["residual", "seed"])
    assert list(found.index) == [(r, s) for r in ("pre", "post") for s in range(3)]
    for (residual, seed), row in found.iterrows():
        planted = {"pre": -0.5, "post": 0.25}[residual] + 0.1 * seed
        assert math.isclose(row["slope_free"], planted, abs_tol=1e-12)
        assert math.isclose(row["slope_plain"], -planted, abs_tol=1e-12)
        assert math.isclose(row["slope_update"], 2 * planted, abs_tol=1e-12)


def test_a_slope_is_the_least_squares_line_through_the_logarithms() -> None:
    depths, values = (2, 3, 5, 16), (1.0, 0.4, 0.9, 0.1)
    x, y = np.log(depths), np.log(values)
    expected = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    assert math.isclose(depth_scaling.slope(depths, values), expected, rel_tol=1e-12)


@pytest.mark.parametrize("values", [(1.0, 2.0), (9.0, 1.0, math.nan), (9.0, 1.0, 0.0), (9.0, 1.0, math.inf)])
def test_there_is_no_slope_of_one_depth_or_of_what_is_not_positive(values: tuple[float, ...]) -> None:
    assert math.isnan(depth_scaling.slope((1, 2, 4)[: len(values)], values))


def test_the_order_of_collapse_is_that_of_the_shallowest_stack() -> None:
    frame = spoilt("order", 3.0, "depth == 1")
    assert set(depth_scaling.slopes(frame, ("depth", "residual"))["order"]) == {3.0}


# ---- theory


def test_theory_is_that_of_the_papers() -> None:
    laws = {r: depth_scaling.theory_of({**SETTINGS, "residual": r}) for r in ("post", "pre", "deepnorm")}
    assert {r: law.slope for r, law in laws.items() if law} == {"post": 0.0, "pre": -0.5, "deepnorm": -0.5}
    low, high = ((8 * n) ** -0.25 / (2 * n) ** 0.25 for n in (4, 400))  # beta / alpha
    assert math.isclose(math.log(high / low) / math.log(100), -0.5, abs_tol=1e-12)


@pytest.mark.parametrize(
    "change",
    [{"residual": "rezero"}, {"norm": "batch"}, {"init": "gpt2"}, {"share_layers": True}, {"residual.alpha": 2.0}],
)
def test_there_is_no_theory_outside_its_setting(change: dict[str, Any]) -> None:
    assert depth_scaling.theory_of({**SETTINGS, "residual": "deepnorm", "residual.alpha": 0.0, **change}) is None


@pytest.mark.parametrize("change", [{"init": "gpt2"}, {"dim": 32}, {"ff": 2}])
def test_a_scheme_whose_depths_differ_in_other_settings_has_no_theory(change: dict[str, Any]) -> None:
    frame = runs(("pre",))
    assert set(depth_scaling.slopes(frame, ("depth", "residual"))["theory"]) == {-0.5}
    frame.loc[frame["depth"] == 8, list(change)] = list(change.values())
    assert depth_scaling.slopes(frame, ("depth", "residual"))["theory"].isna().all()


# ---- how deep


def one(frame: pd.DataFrame) -> depth_scaling.Expectation:
    (found,) = depth_scaling.expectations(frame, ("depth", "residual"))
    return found


def test_a_healthy_stack_is_expected_to_train_at_every_depth() -> None:
    found = one(runs())
    assert (found.deepest, found.first, found.faults) == (32, None, ())
    assert depth_scaling.describe_expectation(found, DEPTHS) == (
        "residual=pre: expected to train at every depth asked, up to 32; no criterion fails."
    )


FAULTS = [
    ("finite", False, "not finite"),
    ("free_ratio_init", 0.004, "vanishes towards the input: G3 of block 1 is 0.004"),
    ("free_ratio_init", 300.0, "explodes towards the input: G3 of block 1 is 300 times"),
    ("apart", 0.01, "can hardly be distinguished: their rank residual is 0.01 (bound 0.1"),
    ("entropy", 0.02, "attention collapses: its entropy falls to 0.02"),
    ("step_ratio", 0.2, "first step at lr=0.001 is too large: after it the gradient at block 1 is 0.2 of"),
]


@pytest.mark.parametrize(("column", "value", "words"), FAULTS)
def test_each_criterion_fails_at_the_depth_where_it_should_and_alone(column: str, value: Any, words: str) -> None:
    found = one(spoilt(column, value, "depth >= 8 and seed == 1"))
    assert (found.deepest, found.first) == (4, 8)
    assert [fault.criterion.column for fault in found.faults] == [column]
    said = depth_scaling.describe_expectation(found, DEPTHS)
    assert words in said and said.startswith("residual=pre: depth 4 is the deepest expected to train. At depth 8 ")


INSIDE = [("free_ratio_init", 0.02), ("free_ratio_init", 90.0), ("apart", 0.11), ("entropy", 0.06)]


@pytest.mark.parametrize(("column", "value"), [*INSIDE, ("step_ratio", 0.31), ("step_ratio", 40.0)])
def test_a_number_inside_its_bounds_fails_no_criterion(column: str, value: float) -> None:
    assert one(spoilt(column, value, "depth >= 8")).first is None


def test_the_deepest_stack_lies_before_the_first_fault_even_if_deeper_ones_have_none() -> None:
    found = one(spoilt("apart", 0.01, "depth == 4"))
    assert (found.deepest, found.first) == (2, 4)


def test_the_worst_seed_is_reported() -> None:
    frame = spoilt("step_ratio", 0.2, "depth == 8")
    found = one(spoilt("step_ratio", 0.1, "depth == 8 and seed == 2", frame))
    assert [fault.value for fault in found.faults] == [0.1]


def test_a_fault_at_the_first_depth_is_reported() -> None:
    found = one(spoilt("apart", 0.0, "depth >= 1"))
    assert (found.deepest, found.first) == (None, 1)
    assert (
        "residual=pre: not expected to train, even at depth 1: the classified items"
        in depth_scaling.describe_expectation(found, DEPTHS)
    )


def test_schemes_are_judged_separately_and_a_missing_number_fails_no_criterion() -> None:
    frame = spoilt("step_ratio", 0.1, "depth == 16 and residual == 'post'", runs(("pre", "post")))
    frame["entropy"] = np.nan
    found = depth_scaling.expectations(frame, ("residual", "depth"))
    assert [(e.scheme, e.deepest) for e in found] == [({"residual": "pre"}, 32), ({"residual": "post"}, 8)]


def test_there_is_no_expectation_from_a_stack_on_that_could_not_be_measured() -> None:
    frame = spoilt("apart", 0.5, "depth == 8")
    frame.loc[(frame["depth"] == 8) & (frame["seed"] == 1), "status"] = "failed"
    found = one(frame)
    assert (found.deepest, found.first) == (4, 8)
    text = depth_scaling.describe_expectation(found, [1, 2, 4, 8, 16, 32])
    assert "up to depth 4 no criterion fails; at depth 8 a stack could not be measured" in text
    frame["status"] = "failed"
    assert "no criterion" not in depth_scaling.describe_expectation(one(frame), [1, 32]) and one(frame).deepest is None


def test_a_gradient_that_vanished_before_training_is_not_blamed_on_the_first_step() -> None:
    frame = spoilt("step_ratio", 0.05, "depth == 8")
    assert "the first step at lr=" in one(frame).faults[0].words
    words = one(frame.assign(back_ratio=0.06)).faults[0].words
    assert "vanishes towards the input before any step" in words and "first step at" not in words
    assert "the first step at lr=" in one(frame.assign(back_ratio=0.9)).faults[0].words


def test_stacks_whose_branches_drown_the_tokens_are_named() -> None:
    runs = pd.DataFrame(
        {"residual": ["pre", "pre", "scaled", "scaled"], "depth": [1, 32] * 2, "seed": 0, "kept": [0.9, 0.02, 0.9, 0.7]}
    )
    said = depth_scaling.describe_lost_tokens(runs, ["residual", "depth"])
    assert "is 0.02 at depth 32 with residual=pre." in said and "residual=scaled 0" not in said and "0.7" not in said
    assert depth_scaling.describe_lost_tokens(runs[runs["residual"] == "scaled"], ["residual", "depth"]) == ""
