"""Makes every comparison of a study and corrects them as one family."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import pandas as pd

from stackcli.analysis import paired_comparisons
from stackcli.analysis.study_data import Frames
from stackcli.common.wording import format_setting

BAG = "TF-IDF + logistic regression"

LEANING = ("leaning better", "leaning worse")

MARGIN = 0.005  # share of an accuracy, or nats: encodings that differ by less are called equivalent


class Part(NamedTuple):
    """The runs for one choice of every axis except the first, and their comparisons.

    `where` names the choice; `score` is the test accuracy of the bag of words on their data (NaN: none); `metric` is
    the one that ranks the runs; `accuracy` compares that metric, `gap` the overfitting gap, `bag` the bag of words."""

    where: str
    runs: pd.DataFrame
    score: float
    metric: str
    accuracy: pd.DataFrame
    gap: pd.DataFrame
    bag: pd.DataFrame


def name_value(axis: str, value: Any) -> str:
    """Names a value of an axis in a sentence: depth 4, pe=relative, or an arm's own name."""
    if axis == "arm":
        return "the default setting" if value == "defaults" else format_setting(value)
    head = "depth " if axis == "depth" else f"{axis}="
    return f"{head}{format_setting(value)}"


def same_value(a: Any, b: Any) -> bool:
    """Whether two values of an axis are equal; a setting that both points lack is equal too."""
    return bool(a == b or (pd.isna(a) and pd.isna(b)))


@lru_cache(maxsize=1)
def all_comparisons(frames: Frames) -> list[Part]:
    """Returns every comparison of the study, corrected as one family; cached, as tables, sentences and figures all use
    it."""
    return _judged([_compared(frames, where, runs) for where, runs in split_runs(frames, frames.runs)])


def metric_of(frames: Frames, runs: pd.DataFrame) -> str:
    """Returns the metric that ranks these runs: excess loss if the entropy of their data is known, else accuracy."""
    return "test_excess" if frames.facts_of(runs).get("entropy") else "test_acc"


def split_runs(frames: Frames, runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Returns the runs for each choice of every axis except the first, and the name of the choice."""
    others = list(frames.axes[1:])
    if not others:
        return [("", runs)]
    found = []
    for key, group in runs.groupby(others, sort=False, dropna=False):
        key = key if isinstance(key, tuple) else (key,)
        found.append((", ".join(f"{a}={format_setting(v)}" for a, v in zip(others, key, strict=True)), group))
    return found


def _compared(frames: Frames, where: str, runs: pd.DataFrame) -> Part:
    axis, empty = frames.axes[0], pd.DataFrame()
    several, metric = runs[axis].nunique(dropna=False) > 1, metric_of(frames, runs)
    margin = MARGIN if frames.command == "compare-pe" else None
    accuracy = paired_comparisons.compare(runs, axis, metric, runs[axis].iloc[0], margin) if several else empty
    gap, bag = empty, empty
    if axis == "depth" and several:
        ends = runs[runs[axis].isin([runs[axis].min(), runs[axis].max()])]
        gap = paired_comparisons.compare(ends, axis, "gap_end", runs[axis].min())
    facts = frames.facts_of(runs)
    found = facts.get("tfidf_acc")
    score = found if isinstance(found, float) else math.nan
    if not math.isnan(score):
        bag = paired_comparisons.compare_to_constant(runs, axis, score, facts.get("tfidf_right"), BAG)
    return Part(where, runs, score, metric, accuracy, gap, bag)


def _judged(parts: list[Part]) -> list[Part]:
    """Returns the same parts with verdicts that are corrected as one family."""
    tables = [table for part in parts for table in (part.accuracy, part.gap, part.bag)]
    family = paired_comparisons.pool_comparisons(*(table for table in tables if len(table)))
    at, out = 0, []
    for part in parts:
        cut = []
        for table in (part.accuracy, part.gap, part.bag):
            cut.append(family.iloc[at : at + len(table)])
            at += len(table)
        out.append(Part(part.where, part.runs, part.score, part.metric, *cut))
    return out
