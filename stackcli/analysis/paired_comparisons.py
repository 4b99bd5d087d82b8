"""Compares arms, paired by seed; takes and returns DataFrames."""

import math
from typing import Any

import numpy as np
import pandas as pd

from stackcli.analysis.crossed_items import Crossed, min_f, parse_answers
from stackcli.analysis.sign_flip import sign_flip
from stackcli.analysis.statistics import (
    BOUNDS,
    CROSSED,
    FLIP,
    LEAST,
    Interval,
    Verdict,
    _open,
    d_z,
    holm,
    paired_differences,
    paired_interval,
    verdict,
)


def higher_is_better(metric: str) -> bool:
    """Returns True for accuracies, False for losses, gaps, times, sizes and the success of an attack; raises ValueError
    for other metrics."""
    small = ("gap", "acc_gap", "params", "flops", "test_excess", "success")
    if metric.startswith(small) or "loss" in metric or _is_time(metric):
        return False
    if "acc" in metric or metric in ("macro_f1", "faithfulness", "agreement"):
        return True
    raise ValueError(f"{metric}: neither higher nor lower is better; compare an accuracy, loss, gap, time or size")


def on_log_scale(metric: str) -> bool:
    """Whether a metric is compared on a log scale, that is as ratios: losses, norms, times and sizes."""
    return "loss" in metric or "ratio" in metric or metric.startswith(("params", "flops")) or _is_time(metric)


def _is_time(metric: str) -> bool:
    return metric == "seconds" or metric.split("_")[-1] == "ms" or "_ms_" in metric


def compare(
    runs: pd.DataFrame, axis: str, metric: str, baseline: Any = None, margin: float | None = None
) -> pd.DataFrame:
    """Compares each value of `axis` with `baseline` (default: the first value), paired by seed; a row for each arm.

    Columns: `metric`, `arm`, `baseline`, `mean`, `low`, `high` (in the metric's units if `scale` is "difference", as
    factors if it is "ratio", on the log scale), `d_z`, `wins` (seeds on which the arm is better), `n` (pairs),
    `planned` (seeds), `test` (the source of p), `p`, `flips`, `margin`, `p_holm`, `verdict`, `kind`, `note` (the seeds
    left out, and why), `crossed`. `.attrs["comparisons"]` is the number of comparisons that Holm corrects for.

    `margin` is in units of the metric, or on the log scale a share (.05: within a factor of 1.05).
    Raises ValueError if the baseline is not a value of the axis, or an arm has two runs with the same seed.
    """
    groups = runs.groupby(axis, sort=False, dropna=False)
    arms = {_key(value): _by_seed(group, axis, metric) for value, group in groups}
    first = next(iter(arms)) if baseline is None else _key(baseline)
    if first not in arms:
        raise ValueError(f"{axis}={first}: no such arm; choose from {', '.join(map(str, arms))}")
    return _family([_row(metric, a, arms[a], first, arms[first], margin) for a in arms if a != first])


def compare_to_constant(runs: pd.DataFrame, axis: str, value: float, right: Any, name: str) -> pd.DataFrame:
    """Compares the test accuracy of each value of `axis` with the accuracy `value` of one fixed classifier `name`.

    Returns the columns of `compare`. `right` says which test items the classifier answered correctly, "0110...", like
    the column `test_right` of the runs. Interval and p are those of Clark's min F', seeds crossed with items
    (`crossed_items.min_f`); where an answer is unknown they are NaN, and the row is not corrected for.
    """
    rows = []
    for arm, group in runs.groupby(axis, sort=False, dropna=False):
        seeds = _by_seed(group, axis, "test_acc")
        row = _row("test_acc", arm, seeds, name, seeds.assign(value=value, status="done"), None)
        found = _answers_against(group, right)
        rows.append(row | {"test": CROSSED, "flips": 0, "crossed": found} | {k: getattr(found, k) for k in BOUNDS})
    return _family(rows)


def _answers_against(group: pd.DataFrame, right: Any) -> Crossed:
    """Returns min F' of the finished runs of one arm; NaN unless every run has an answer to every item."""
    items = parse_answers(right)
    texts = finished_runs(group)["test_right"] if "test_right" in group else []
    answers = [parse_answers(text) for text in texts]
    if not answers or not items.size or any(len(row) != items.size for row in answers):
        return Crossed(math.nan)
    return min_f(np.stack(answers) - items)


def pool_comparisons(*tables: pd.DataFrame) -> pd.DataFrame:
    """Joins tables of comparisons into one family: corrects all rows together and renews the verdicts."""
    return _family([row for table in tables for row in table.to_dict("records")])


def matched_gap(curve: pd.DataFrame) -> tuple[float, pd.Series]:
    """Returns the overfitting gap at a matched train loss: (that loss in nats, the gap in nats by run id).

    The loss is the lowest that every run reaches. The gap of a run is interpolated linearly where its train loss first
    falls to it; NaN if it starts there. `curve` holds `run`, `step`, `train_loss` and `val_loss` of finished runs.
    """
    target = float(curve.groupby("run")["train_loss"].min().max())
    rows = curve.sort_values(["run", "step"], kind="stable")
    train, gap = rows["train_loss"].to_numpy(float), (rows["val_loss"] - rows["train_loss"]).to_numpy(float)
    parts = rows.groupby("run").indices
    return target, pd.Series({run: _gap_at(train[at], gap[at], target) for run, at in parts.items()})


def _gap_at(train: Any, gap: Any, target: float) -> float:
    at = int(np.flatnonzero(train <= target)[0])
    if at == 0:
        return math.nan
    share = (train[at - 1] - target) / (train[at - 1] - train[at])
    return float(gap[at - 1] + share * (gap[at] - gap[at - 1]))


def _key(value: Any) -> Any:
    """Returns a value of an axis as a dictionary key: None for a setting that a point does not have."""
    return None if pd.isna(value) else value


def _by_seed(group: pd.DataFrame, axis: str, metric: str) -> pd.DataFrame:
    """Returns `value` (NaN unless done and finite) and `status`, by seed."""
    if group["seed"].duplicated().any():
        raise ValueError(f"{axis}={group[axis].iloc[0]} has two runs of one seed; compare one value of the other axes")
    value = pd.to_numeric(group[metric]).where(group["status"] == "done").replace([np.inf, -np.inf], np.nan)
    return pd.DataFrame({"value": value, "status": group["status"]}).set_index(group["seed"])


def _row(
    metric: str, arm: Any, left: pd.DataFrame, baseline: Any, right: pd.DataFrame, margin: float | None
) -> dict[str, Any]:
    both = left.merge(right, how="outer", left_index=True, right_index=True, suffixes=("_arm", "_baseline"))
    pairs = both.dropna(subset=["value_arm", "value_baseline"])
    a, b = pairs["value_arm"].to_numpy(float), pairs["value_baseline"].to_numpy(float)
    log = on_log_scale(metric) and bool((a > 0).all() and (b > 0).all())
    gaps = paired_differences(a, b, log=log)
    found, (p, flips) = paired_interval(gaps), sign_flip(gaps)
    mean, low, high = (math.exp(x) if log else x for x in found[:3])
    wins = int(np.count_nonzero(gaps > 0 if higher_is_better(metric) else gaps < 0))
    return {"metric": metric, "arm": arm, "baseline": baseline, "mean": mean, "low": low, "high": high} | {
        "scale": "ratio" if log else "difference", "d_z": d_z(gaps), "wins": wins, "n": found.n, "planned": len(both),
        "test": FLIP, "p": p, "flips": flips, "margin": margin, "note": _note(both, found.n), "crossed": None,
    }  # fmt: skip


def _note(both: pd.DataFrame, n: int) -> str:
    """Says which seeds could not be paired: "2 of 3 seeds paired; arm: 1 diverged"; empty if all were."""
    counts = [f"{side}: {words}" for side in ("arm", "baseline") if (words := _left_out(both, side))]
    return "; ".join([f"{n} of {len(both)} seeds paired", *counts]) if n < len(both) else ""


def _left_out(both: pd.DataFrame, side: str) -> str:
    missing = both.loc[both[f"value_{side}"].isna(), f"status_{side}"].fillna("missing").replace("done", "not measured")
    return ", ".join(f"{count} {status}" for status, count in missing.value_counts(sort=False).items())


def _family(rows: list[dict[str, Any]]) -> pd.DataFrame:
    corrected = holm([row["p"] for row in rows])
    comparisons = int(np.count_nonzero(~np.isnan(corrected)))
    judged = [_judged(row, float(p), comparisons) for row, p in zip(rows, corrected, strict=True)]
    table = pd.DataFrame(judged)
    table.attrs["comparisons"] = comparisons
    return table


def _judged(row: dict[str, Any], p_holm: float, comparisons: int) -> dict[str, Any]:
    log, margin = row["scale"] == "ratio", row["margin"]
    margin = None if margin is None or math.isnan(margin) else math.log1p(margin) if log else margin
    mean, low, high = (math.log(row[key]) if log else float(row[key]) for key in ("mean", "low", "high"))
    if row["n"] >= LEAST and math.isnan(p_holm):
        said = Verdict("none", _untested(row["crossed"], mean))
    else:
        found, open_ = Interval(mean, low, high, row["n"]), _open(row, comparisons) if row["n"] else ""
        said = verdict(found, p_holm, higher=higher_is_better(row["metric"]), open_=open_, margin=margin)
    return row | {"p_holm": p_holm, "verdict": said.words, "kind": said.kind}


def _untested(found: Any, mean: float) -> str:
    """Says why a comparison over test items has no p."""
    if not isinstance(found, Crossed) or not found.items:
        return "not tested, the answers to each item are not known"
    return "the answers are equal" if mean == 0 else "not tested, as all differences are equal"


def finished_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Returns the finished runs, the only ones that are averaged or ranked."""
    return runs[runs["status"] == "done"]
