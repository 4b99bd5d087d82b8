"""Finds what went wrong at each point of a study, in how many runs, and what to try. Imports no PyTorch.

A finding is a sign (defined in `run_health`) in at least one run of a point, with the share of the runs that have it.
Remedies are settings of this tool, in the order in which to try them, without those that the run already has.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from stackcli.analysis import run_health
from stackcli.analysis.remedy_catalogue import Remedy, remedies, round_rate
from stackcli.analysis.run_health import FAST, Run, Sign
from stackcli.analysis.study_data import Frames
from stackcli.config.settings import Config

OURS = "threshold: our own constructed cases"
SOURCES = {
    "divergence": "the loss was no longer finite",
    "exploding gradient": f"Pascanu et al. 2013, sec. 2.1, arXiv:1211.5063; {OURS}",
    "vanishing gradient": f"Pascanu et al. 2013, sec. 2.1, arXiv:1211.5063; {OURS}",
    "rank collapse": f"Dong et al. 2021, arXiv:2103.03404, Noci et al. 2022, arXiv:2206.03126; {OURS}",
    "attention collapse": f"Zhai et al. 2023, arXiv:2303.06296; {OURS}",
    "starved queries and keys": f"Noci et al. 2022, sec. 3, arXiv:2206.03126; {OURS}",
    "undertuned learning rate": f"CS231n notes (2015), 'Ratio of weights:updates', a rule of thumb; {OURS}",
    "underfitting": f"Goodfellow et al. 2016, Deep Learning, sec. 5.2; {OURS}",
    "overfitting": f"Goodfellow et al. 2016, Deep Learning, sec. 5.2; {OURS}",
}  # most severe first
MANY = 3  # points with the same finding; of more points a terminal shows only the worst
EDGE = "the ends of the values tried"
SETTINGS = {f.name for f in fields(Config)}


class Finding(NamedTuple):
    """A finding at one point: `value` is the median over the runs that have it, `seeds` is k of n finished runs."""

    name: str
    point: str
    evidence: str
    value: float
    threshold: float
    source: str
    seeds: tuple[int, int]
    remedies: tuple[Remedy, ...]


def findings(frames: Frames) -> list[Finding]:
    """Returns every finding of a study, point by point in the order of the study, the most severe first."""
    return list(_find_all(frames))


@lru_cache(maxsize=1)
def _find_all(frames: Frames) -> tuple[Finding, ...]:
    """The findings, found once for the terminal, the files and the next command of a report."""
    points: dict[str, list[Run]] = {}
    for run in run_health.completed_runs(frames):
        points.setdefault(str(run.row["point"]), []).append(run)
    edges = dict(_edges(frames))
    out: list[Finding] = []
    for point, runs in points.items():
        each = [(run, run_health.detect_findings(run)) for run in runs]
        for name in SOURCES:
            having = [(run, found[name]) for run, found in each if name in found]
            if having:
                out.append(_finding(name, point, having, len(runs)))
            elif name == "undertuned learning rate" and point in edges:
                out.append(edges[point])
    return tuple(out)


def _finding(name: str, point: str, every: Sequence[tuple[Run, Sign]], n: int) -> Finding:
    """Combines the signs of the runs that have a finding, each with its own threshold, into one of `n` runs.

    If the runs lie on different sides of the threshold (a rate too high for some seeds, too low for others), the
    evidence and the remedies are those of the larger side."""
    sides = [[pair for pair in every if _above(pair[1]) == side] for side in (True, False)]
    having = max(sides, key=len)
    run, threshold = having[0][0], float(np.median([sign.threshold for _, sign in having]))
    value = float(np.median([sign.value for _, sign in having]))
    rest = len(every) - len(having)
    other = f"; {rest} of {len(every)} runs lie on the other side" if rest else ""
    return Finding(
        name=name,
        point=point,
        evidence=EVIDENCE[name](having, value, threshold) + _range(having) + other,
        value=value,
        threshold=threshold,
        source=SOURCES[name],
        seeds=(len(every), n),
        remedies=tuple(remedies(name, run.row, value)),
    )


def _above(sign: Sign) -> bool:
    """Whether the number is above its threshold."""
    return bool(sign.value >= sign.threshold)


def _range(having: Sequence[tuple[Run, Sign]]) -> str:
    """Names the thresholds of the seeds if they differ in two digits."""
    each = sorted({_format(sign.threshold) for _, sign in having}, key=float)
    return f" (median; each seed has its own, {each[0]} to {each[-1]})" if len(each) > 1 else ""


# ---- the evidence, in words

Having = Sequence[tuple[Run, Sign]]


def _format(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 1e4 else f"{value:.1e}"


def _at(having: Having) -> str:
    """Names the step at which it was worst, or the first and the last such step over runs."""
    steps = sorted({int(sign.step) for _, sign in having})
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"


def _end(having: Having) -> str:
    """Names the train loss at the end; empty if a run diverged."""
    if any(run.diverged or not len(run.curve["step"]) for run, _ in having):
        return ""
    loss = float(np.median([run.curve["train_loss"][-1] for run, _ in having]))
    return f"; train loss {_format(loss)} at the end, {_format(having[0][0].guess)} for guessing"


def _gradient(having: Having, value: float, threshold: float) -> str:
    depth, side = int(having[0][0].row["depth"]), "below" if value < 1 else "above"
    ratio = f"gradient at the output of block 1 over block {depth} (G4) {_format(value)}"
    return f"{ratio} at {_at(having)}, {side} {threshold:g}{_end(having)}"


def _rank(having: Having, value: float, threshold: float) -> str:
    depth = int(having[0][0].row["depth"])
    return f"rank residual of block {depth} {_format(value)} at {_at(having)}, below {threshold:g}{_end(having)}"


def _focus(having: Having, value: float, threshold: float) -> str:
    what = f"attention entropy of a layer {_format(value)} of that of uniform attention"
    return f"{what} at {_at(having)}, below {threshold:g}{_end(having)}"


def _starved(having: Having, value: float, threshold: float) -> str:
    what = f"gradient of queries over that of values {_format(value)} in every layer"
    return f"{what} at {_at(having)}, below {threshold:g}{_end(having)}"


def _rate(having: Having, value: float, threshold: float) -> str:
    side = ("too high", "above") if threshold == FAST else ("too low", "below")
    what = f"{side[0]}: a step moves a weight by {_format(value)} of its size at most (G5, median map)"
    return f"{what}, {side[1]} {threshold:g}{_end(having)}"


def _fit(having: Having, value: float, threshold: float) -> str:
    return f"learnt {_format(max(0.0, value))} of what can be learnt, below {threshold:g}{_end(having)}"


def _gap(having: Having, value: float, threshold: float) -> str:
    rows = [run.row for run, _ in having]
    rise = float(np.median([row["val_loss_end"] - row["val_loss"] for row in rows]))
    val, train = (float(np.median([row[key] for row in rows])) for key in ("val_loss_end", "train_loss_end"))
    losses = f"validation {_format(val)}, train {_format(train)}, lowest validation {_format(val - rise)}"
    return f"gap at the end {_format(value)} nats ({losses}), above {threshold:.2g}"


def _broke(having: Having, value: float, threshold: float) -> str:
    return f"loss no longer finite at {_at(having)}"


EVIDENCE: dict[str, Callable[[Having, float, float], str]] = {
    "divergence": _broke,
    "exploding gradient": _gradient,
    "vanishing gradient": _gradient,
    "rank collapse": _rank,
    "attention collapse": _focus,
    "starved queries and keys": _starved,
    "undertuned learning rate": _rate,
    "underfitting": _fit,
    "overfitting": _gap,
}


# ---- a learning rate at the end of those tried


def _edges(frames: Frames) -> Iterator[tuple[str, Finding]]:
    """Yields a finding for each point whose learning rate is the best of three or more and the largest or smallest."""
    if "lr" not in frames.axes or not len(frames.runs):
        return
    others = [axis for axis in frames.axes if axis != "lr"]
    groups = frames.runs.groupby(others, sort=False, dropna=False) if others else [((), frames.runs)]
    for _, group in groups:
        complete = group.groupby("lr").filter(lambda runs: bool((runs["status"] == "done").all()))
        tried = sorted(group["lr"].unique())
        if complete.empty or len(tried) < 3:
            continue
        best = float(complete.groupby("lr")["val_loss"].mean().idxmin())
        if best not in (tried[0], tried[-1]):
            continue
        by_seed = complete.loc[complete.groupby("seed")["val_loss"].idxmin(), "lr"]
        beyond = round_rate(best * 3 if best == tried[-1] else best / 3)
        which = "largest" if best == tried[-1] else "smallest"
        point = str(group.loc[group["lr"] == best, "point"].iloc[0])
        yield (
            point,
            Finding(
                name="undertuned learning rate",
                point=point,
                evidence=f"lr={best:g}, the {which} of {len(tried)} tried, has the lowest validation loss",
                value=best,
                threshold=best,
                source=EDGE,
                seeds=(int((by_seed == best).sum()), len(by_seed)),
                remedies=(Remedy((f"lr={beyond}",), "a better one may lie beyond"),),
            ),
        )


# ---- tables and sentences


def worst_points(found: Iterable[Finding], runs: pd.DataFrame) -> list[Finding]:
    """Returns each finding that has a remedy at its worst point only: the one with the largest share of runs, then the
    deepest, then the first."""
    depth = dict(zip(runs["point"], runs["depth"], strict=True))
    worst: dict[str, Finding] = {}
    for finding in found:
        best = worst.get(finding.name)
        if finding.remedies and (best is None or _worse(finding, depth) > _worse(best, depth)):
            worst[finding.name] = finding
    return list(worst.values())


def _worse(finding: Finding, depth: Mapping[str, int]) -> tuple[float, int]:
    k, n = finding.seeds
    return k / n, depth[finding.point]


def _repeated(found: Sequence[Finding], runs: pd.DataFrame) -> dict[str, list[Finding]]:
    """Returns, for each finding at more than `MANY` points, all but the worst."""
    worst = {f.name: f for f in worst_points(found, runs)}
    each = {name: [f for f in found if f.name == name] for name in worst}
    return {name: [f for f in same if f is not worst[name]] for name, same in each.items() if len(same) > MANY}
