"""DataFrames -> what went wrong at each point of a study, how sure that is, and what to try. Never PyTorch.

A finding is a sign (`signs` defines them) in at least one run of a point, with the share of its runs that have it. The
remedies are settings of this tool, in the order worth trying, without those that the run has already.
"""

import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import NamedTuple

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from stackcli import signs, stats
from stackcli.cures import Remedy, remedies, rounded
from stackcli.frames import Frames
from stackcli.sentences import shown
from stackcli.settings import Config
from stackcli.signs import FAST, Run, Sign

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
    for run in signs.runs(frames):
        points.setdefault(str(run.row["point"]), []).append(run)
    edges = dict(_edges(frames))
    out = []
    for point, runs in points.items():
        each = [(run, signs.signs(run)) for run in runs]
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
        beyond = rounded(best * 3 if best == tried[-1] else best / 3)
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


def command(frames: Frames, point: str, words: Sequence[str]) -> str:
    """The line that trains a point again, on the same seeds, with other settings."""
    row = frames.runs[frames.runs["point"] == point].iloc[0]
    typed = _typed(frames, str(row["arm"]))
    own = {key: shown(row[key]) for key in (*frames.axes, *frames.chosen) if key.partition(".")[0] in SETTINGS}
    typed |= {key: value for key, value in own.items() if value != "-"}
    changed = dict(word.partition("=")[::2] for word in words)
    kept = {key: value for key, value in typed.items() if key.partition(".")[0] not in changed}  # nor its own keys
    return " ".join(["stackattn sweep", *(shlex.quote(f"{key}={value}") for key, value in (kept | changed).items())])


def _typed(frames: Frames, arm: str) -> dict[str, str]:
    """The settings as typed; in an experiment on the arm's own line."""
    lines = (line.partition(": ") for line in frames.overrides)
    words = next((rest.split() for name, _, rest in lines if name == arm), []) if arm else frames.overrides
    pairs = (word.partition("=") for word in words)
    return {key: value for key, _, value in pairs if key not in ("match", "match_depth")}


COLUMNS = ["point", "finding", "k", "n", "low", "high", "value", "threshold", "evidence", "source"]
COLUMNS += ["remedy", "why", "command"]


def frame(found: Sequence[Finding], frames: Frames) -> pd.DataFrame:
    """A row for each finding and remedy (one without a remedy has one row): `point`, `finding`, `k` of `n` runs with
    the Wilson interval `low`, `high` of their share, `value`, `threshold`, `evidence`, `source`, `remedy`, `why`,
    `command`."""
    rows = []
    for f in found:
        k, n = f.seeds
        sure = stats.wilson(k, n)
        head = {"point": f.point, "finding": f.name, "k": k, "n": n, "low": sure.low, "high": sure.high}
        head |= {"value": f.value, "threshold": f.threshold, "evidence": f.evidence, "source": f.source}
        for remedy in f.remedies or (Remedy((), ""),):
            line = command(frames, f.point, remedy.words) if remedy.words else ""
            rows.append({**head, "remedy": " ".join(remedy.words), "why": remedy.why, "command": line})
    return pd.DataFrame(rows, columns=COLUMNS)


def table(found: Sequence[Finding], runs: pd.DataFrame) -> Table:
    """For a terminal of 80 columns: point, finding, evidence, k of n runs with the 95 % interval of their share, and
    the first remedy; of a finding at more than `MANY` points the gravest alone."""
    sources = dict.fromkeys(f"{f.name}: {f.source.partition(';')[0]}" for f in found)
    ours = " Thresholds: our own constructed cases." if any(OURS in f.source for f in found) else ""
    caption = f"{'; '.join(sources)}.{ours}" if found else None
    out = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, caption=caption, caption_justify="left")
    for head, width in (("at", 14), ("finding", 11), ("evidence", 25), ("seeds", 8), ("to try", 16)):
        out.add_column(head, width=width, overflow="fold")
    before, hidden = None, {id(f) for others in _repeated(found, runs).values() for f in others}
    for f in found:
        if id(f) in hidden:
            continue
        k, n = f.seeds
        sure = stats.wilson(k, n)
        interval = f"{sure.low:.2f}–{sure.high:.2f}".replace("0.", ".")
        first = " ".join(f.remedies[0].words) if f.remedies else ""
        out.add_row("" if f.point == before else f.point, f.name, f.evidence, f"{k} of {n}\n{interval}", first)
        before = f.point
    return out


def told(frames: Frames) -> list[tuple[str, Table]]:
    """The table with its title; none where nothing was found."""
    found = findings(frames)
    title = "what went wrong, and in how many runs (95 % interval of their share)"
    return [(title, table(found, frames.runs))] if found else []


def to_markdown(found: Sequence[Finding], frames: Frames) -> str:
    """A Markdown table, a row for each finding with its first remedy; empty where nothing was found."""
    rows = frame(found, frames).drop_duplicates(["point", "finding"])
    each = zip(rows["k"], rows["n"], rows["low"], rows["high"], strict=True)
    rows = rows.assign(seeds=[f"{k} of {n}, {low:.2f} to {high:.2f}" for k, n, low, high in each])
    kept = rows[["point", "finding", "evidence", "seeds", "source", "remedy", "command"]]
    return str(kept.to_markdown(index=False, disable_numparse=True)) if len(kept) else ""


def sentences(found: Sequence[Finding], frames: Frames) -> list[str]:
    """Where else the table's findings are, where nothing was found, what tries the first remedy of each finding, and
    what depth did to the loss."""
    finished = frames.runs[frames.runs["status"].isin(["done", "diverged"])]
    points = list(dict.fromkeys(finished["point"].map(str)))
    well = [point or "this point" for point in points if point not in {f.point for f in found}]
    out = []
    if points and not found:
        lost = len(frames.runs) - len(finished)
        rest = f"; {lost} did not finish" if lost else ""
        which = f"the {len(finished)} runs that finished" if lost else f"all {len(finished)} runs"
        out.append(f"No finding: {which} learnt what can be learnt, and what they learnt holds{rest}.")
    elif well:
        out.append(f"No finding at {', '.join(well)}.")
    for name, others in _repeated(found, frames.runs).items():
        out.append(f"{name.capitalize()} also at {', '.join(f.point for f in others)}; findings.csv has all.")
    tried: dict[str, list[str]] = {}
    for f in gravest(found, frames.runs):
        tried.setdefault(command(frames, f.point, f.remedies[0].words), []).append(f.name)
    return [*out, *(f"Against {', '.join(names)}: {line}" for line, names in tried.items()), *depths(frames)]


def gravest(found: Iterable[Finding], runs: pd.DataFrame) -> list[Finding]:
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
    worst = {f.name: f for f in gravest(found, runs)}
    each = {name: [f for f in found if f.name == name] for name in worst}
    return {name: [f for f in same if f is not worst[name]] for name, same in each.items() if len(same) > MANY}


def depths(frames: Frames) -> list[str]:
    """Whether the deepest stack loses by its optimisation or by overfitting: its validation loss at the end against
    that of the best depth, which is the difference of the train losses plus that of the gaps. He et al. 2015, sec. 1,
    arXiv:1512.03385, call a train loss that rises with depth degradation."""
    if "depth" not in frames.axes or not len(frames.runs):
        return []
    others = [axis for axis in frames.axes if axis != "depth"]
    groups = frames.runs.groupby(others, sort=False, dropna=False) if others else [((), frames.runs)]
    told = []
    for key, group in groups:
        values = key if isinstance(key, tuple) else (key,)
        where = ", ".join(f"{axis}={shown(value)}" for axis, value in zip(others, values, strict=True))
        told.append(_depth(group, where))
    return [text for text in told if text]


PART = 0.25  # of what depth costs: what is less is not told as a cause


def _depth(runs: pd.DataFrame, where: str) -> str:
    lead = f"With {where}, the" if where else "The"
    deepest, runs = runs["depth"].max(), stats.done(runs)
    if runs["depth"].nunique() < 2:
        return ""
    if deepest not in set(runs["depth"]):
        return f"{lead} deepest stack, {deepest:g} blocks, has no run that is done, so what it costs is not told."
    ends = {
        key: runs.pivot_table(index="seed", columns="depth", values=f"{key}_end") for key in ("val_loss", "train_loss")
    }
    deep, best = ends["val_loss"].columns.max(), ends["val_loss"].mean().idxmin()
    if deep == best:
        return f"{lead} lowest validation loss at the end is that of the deepest stack, {deep:g} blocks."
    pairs = {key: (end[deep] - end[best]).dropna() for key, end in ends.items()}
    val, train = (stats.interval(pairs[key]) for key in ("val_loss", "train_loss"))
    gap = stats.interval(pairs["val_loss"] - pairs["train_loss"])
    if not val.n:
        return ""
    interval = "" if math.isnan(val.low) else f", 95 % interval {val.low:+.2f} to {val.high:+.2f}"
    text = (
        f"{lead} validation loss at the end is {val.mean:+.2f} nats at depth {deep:g} against the best, depth {best:g}"
        f"{interval}: {train.mean:+.2f} by the train loss and {gap.mean:+.2f} by the gap"
    )
    if math.isnan(val.low) or val.low <= 0:
        return f"{text}; not separated over {val.n} seed{'s' if val.n > 1 else ''}."
    fails, overfits = (part.low > 0 and part.mean >= PART * val.mean for part in (train, gap))
    text += " (not corrected for the other comparisons). "
    if fails and overfits:
        return f"{text}With depth the optimisation fails (degradation, He et al. 2015), and the stack overfits more."
    if fails:
        return f"{text}With depth the optimisation fails (degradation, He et al. 2015), not the generalisation."
    if overfits:
        return f"{text}The deeper stack overfits; its optimisation does not fail."
    return f"{text}Which of the two it is, is not separated."
