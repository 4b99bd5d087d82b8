"""DataFrames -> what went wrong at each point of a study, how sure that is, and what to try. Never PyTorch.

A finding is a sign (`run_health` defines them) in at least one run of a point, with the share of its runs that have
it. The remedies are settings of this tool, in the order worth trying, without those that the run has already.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
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
}  # gravest first
MANY = 3  # points with the same finding; where there are more, a terminal is shown the gravest
EDGE = "the ends of the values tried"
SETTINGS = {f.name for f in fields(Config)}


class Finding(NamedTuple):
    """A finding at one point: `value` is the median over the runs that have it, `seeds` k of n finished runs."""

    name: str
    point: str
    evidence: str
    value: float
    threshold: float
    source: str
    seeds: tuple[int, int]
    remedies: tuple[Remedy, ...]


def findings(frames: Frames) -> list[Finding]:
    """Every finding of a study: point by point in its order, the gravest first."""
    points: dict[str, list[Run]] = {}
    for run in run_health.completed_runs(frames):
        points.setdefault(str(run.row["point"]), []).append(run)
    edges = dict(_edges(frames))
    out = []
    for point, runs in points.items():
        each = [(run, run_health.detect_findings(run)) for run in runs]
        for name in SOURCES:
            having = [(run, found[name]) for run, found in each if name in found]
            if having:
                out.append(_finding(name, point, having, len(runs)))
            elif name == "undertuned learning rate" and point in edges:
                out.append(edges[point])
    return out


def _finding(name: str, point: str, every: Sequence[tuple[Run, Sign]], n: int) -> Finding:
    """The finding of the runs that have it, `every` one by its own threshold. Where they lie on different sides, as a
    rate too high for some seeds and too low for others, the evidence and the remedies are those of the larger side."""
    sides = [[pair for pair in every if _above(pair[1]) == side] for side in (True, False)]
    having = max(sides, key=len)
    run, threshold = having[0][0], float(np.median([sign.threshold for _, sign in having]))
    value = float(np.median([sign.value for _, sign in having]))
    rest = len(every) - len(having)
    other = f"; {rest} of {len(every)} on the other side" if rest else ""
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
    """Whether the number lies above its threshold."""
    return bool(sign.value >= sign.threshold)


def _range(having: Sequence[tuple[Run, Sign]]) -> str:
    """The thresholds of the seeds, where they are not all the same to two digits."""
    each = sorted({_num(sign.threshold) for _, sign in having}, key=float)
    return f" (the median of {each[0]} to {each[-1]}, each seed's own)" if len(each) > 1 else ""


# ---- the evidence, in words

Having = Sequence[tuple[Run, Sign]]


def _num(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 1e4 else f"{value:.1e}"


def _at(having: Having) -> str:
    """The step at which it was worst, or the first and the last of the runs' steps."""
    steps = sorted({int(sign.step) for _, sign in having})
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"


def _end(having: Having) -> str:
    """What became of the train loss."""
    if any(run.diverged or run.curve.empty for run, _ in having):
        return ""
    loss = float(np.median([run.curve["train_loss"].iloc[-1] for run, _ in having]))
    return f"; train loss {_num(loss)} at the end, {_num(having[0][0].guess)} by guessing"


def _gradient(having: Having, value: float, threshold: float) -> str:
    depth, side = int(having[0][0].row["depth"]), "below" if value < 1 else "above"
    ratio = f"gradient at the output of block 1 over block {depth} (G4) {_num(value)}"
    return f"{ratio} at {_at(having)}, {side} {threshold:g}{_end(having)}"


def _rank(having: Having, value: float, threshold: float) -> str:
    depth = int(having[0][0].row["depth"])
    return f"rank residual of block {depth} {_num(value)} at {_at(having)}, below {threshold:g}{_end(having)}"


def _focus(having: Having, value: float, threshold: float) -> str:
    what = f"entropy of a layer's attention {_num(value)} of that of even attention"
    return f"{what} at {_at(having)}, below {threshold:g}{_end(having)}"


def _starved(having: Having, value: float, threshold: float) -> str:
    what = f"gradient of queries over that of values {_num(value)} in every layer"
    return f"{what} at {_at(having)}, below {threshold:g}{_end(having)}"


def _rate(having: Having, value: float, threshold: float) -> str:
    side = ("too high", "above") if threshold == FAST else ("too low", "below")
    what = f"{side[0]}: a step moves a weight by {_num(value)} of its size at most (G5, median map)"
    return f"{what}, {side[1]} {threshold:g}{_end(having)}"


def _fit(having: Having, value: float, threshold: float) -> str:
    return f"learnt {_num(max(0.0, value))} of what can be learnt, below {threshold:g}{_end(having)}"


def _gap(having: Having, value: float, threshold: float) -> str:
    rows = [run.row for run, _ in having]
    rise = float(np.median([row["val_loss_end"] - row["val_loss"] for row in rows]))
    val, train = (float(np.median([row[key] for row in rows])) for key in ("val_loss_end", "train_loss_end"))
    losses = f"validation {_num(val)}, train {_num(train)}, lowest validation {_num(val - rise)}"
    return f"gap at the end {_num(value)} nats ({losses}), above {threshold:.2g}"


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
    """Where the study varies the learning rate: the point with the best of three or more, if it is the largest or the
    smallest."""
    if "lr" not in frames.axes or not len(frames.runs):
        return
    others = [axis for axis in frames.axes if axis != "lr"]
    groups = frames.runs.groupby(others, sort=False, dropna=False) if others else [((), frames.runs)]
    for _, group in groups:
        whole = group.groupby("lr").filter(lambda runs: bool((runs["status"] == "done").all()))
        tried = sorted(group["lr"].unique())
        if whole.empty or len(tried) < 3:
            continue
        best = float(whole.groupby("lr")["val_loss"].mean().idxmin())
        if best not in (tried[0], tried[-1]):
            continue
        by_seed = whole.loc[whole.groupby("seed")["val_loss"].idxmin(), "lr"]
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
    """Of each finding that has a remedy the one at its worst point: most of the runs, then the deepest, then the first
    named."""
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
    """Of each finding at more than `MANY` points, all but the gravest."""
    worst = {f.name: f for f in worst_points(found, runs)}
    each = {name: [f for f in found if f.name == name] for name in worst}
    return {name: [f for f in same if f is not worst[name]] for name, same in each.items() if len(same) > MANY}
