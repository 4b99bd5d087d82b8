"""Is the deepest stack worse because its optimisation fails, or because it overfits?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from stackcli.analysis import depth_effect, findings_text
from tests.analysis.examples import run, study


def deep(
    val: Mapping[int, float], train: Mapping[int, float], seeds: int = 5, each: Sequence[float] | None = None
) -> str:
    """The sentence for depths with these losses at the end, give or take two hundredths. `each`: the train loss of the
    deepest stack above that of the shallowest, by seed; its validation loss stays."""
    rows = []
    for depth in val:
        for seed in range(seeds):
            r = run(point=f"depth={depth}", seed=seed, settings={"depth": depth})
            near = 0.02 * math.sin(1 + seed * depth)
            ends = {"val_loss_end": val[depth] + near, "train_loss_end": train[depth]}
            if each and depth == max(val):
                ends["train_loss_end"] = train[min(val)] + each[seed]
            rows.append({**r, "row": {**r["row"], **ends}})
    (text,) = depth_effect.describe_depth_effect(replace(study(*rows), axes=("depth",)))
    return text


def test_the_loss_that_depth_adds_is_split_into_train_loss_and_gap() -> None:
    fails = deep({1: 0.5, 4: 0.6, 16: 1.1}, {1: 0.1, 4: 0.1, 16: 0.9})
    assert (
        "optimisation fails" in fails
        and "+0.80 in the train loss" in fails
        and "depth 16 and the best, depth 1" in fails
    )
    overfits = deep({1: 0.5, 16: 0.8}, {1: 0.1, 16: 0.05})
    assert "overfits" in overfits and "-0.05 in the train loss and +0.35 in the overfitting gap" in overfits
    most = deep({1: 0.5, 16: 1.1}, {1: 0.1, 16: 0.58})  # 0.48 of 0.6
    assert "optimisation fails" in most and "not the generalisation" in most
    assert "not separated over 5 seeds" in deep({1: 0.5, 16: 0.51}, {1: 0.1, 16: 0.1})
    assert "The deepest stack, 16 blocks, has the lowest" in deep({1: 0.5, 16: 0.3}, {1: 0.1, 16: 0.05})


def test_a_cause_is_named_only_if_its_own_interval_excludes_zero() -> None:
    both = deep({1: 0.5, 16: 1.5}, {1: 0.1, 16: 0.6})  # half by each
    assert "optimisation fails" in both and "overfits more" in both
    assert "(not corrected for the other comparisons)" in both
    unsure = deep({1: 0.5, 16: 0.93}, {1: 0.1, 16: 0.53}, each=(0.9, -0.05, 0.45, 0.9, -0.05))
    assert (
        "do not tell whether optimisation or overfitting causes it" in unsure
        and "fails" not in unsure
        and "overfits" not in unsure
    )


def test_a_deepest_stack_without_a_finished_run_is_named() -> None:
    rows = [run(point=f"depth={d}", seed=s, settings={"depth": d}) for d in (1, 4, 16) for s in (0, 1)]
    original = replace(study(*rows), axes=("depth",))
    runs = original.runs.assign(status=original.runs["status"].mask(original.runs["depth"] == 16, "failed"))
    (text,) = depth_effect.describe_depth_effect(replace(original, runs=runs))
    assert text == "The deepest stack, 16 blocks, has no finished run, so the effect of depth is not known."
    assert findings_text.describe_findings([], replace(original, runs=runs))[0] == (
        "No finding: the 4 runs that finished learnt what can be learnt, without overfitting; 2 did not finish."
    )


def test_one_seed_separates_nothing() -> None:
    assert "; 1 seed is too few to tell." in deep({1: 0.5, 16: 1.5}, {1: 0.1, 16: 1.0}, seeds=1)
    two = deep({1: 0.5, 16: 1.5}, {1: 0.1, 16: 1.0}, seeds=2)
    assert "; 2 seeds are too few to tell." in two and "interval" not in two
