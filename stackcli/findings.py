"""DataFrames -> what went wrong at each point of a study, how sure that is, and what to try. Never PyTorch.

A finding is a sign (`signs` defines them) in at least one run of a point, with the share of its runs that have it. The
remedies are settings of this tool, in the order worth trying, without those that the run has already.
"""

import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from stackcli import signs, stats
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
    "undertuned learning rate": f"CS231n notes (2015), 'Ratio of weights:updates', a rule of thumb; {OURS}",
    "underfitting": f"Goodfellow et al. 2016, Deep Learning, sec. 5.2; {OURS}",
    "overfitting": f"Goodfellow et al. 2016, Deep Learning, sec. 5.2; {OURS}",
}  # gravest first
EDGE = "the ends of the values tried"
SETTINGS = {f.name for f in fields(Config)}
GOAL = 3e-3  # update over weight that a changed learning rate aims at: what our healthy runs had


class Remedy(NamedTuple):
    """Settings to change, as they are typed, and why."""

    words: tuple[str, ...]
    why: str


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


def _finding(name: str, point: str, having: Sequence[tuple[Run, Sign]], n: int) -> Finding:
    run = having[0][0]
    value, threshold = (float(np.median([sign[i] for _, sign in having])) for i in (0, 1))
    mended = REMEDIES[name](run.row, having)
    return Finding(
        name=name,
        point=point,
        evidence=EVIDENCE[name](having, value, threshold),
        value=value,
        threshold=threshold,
        source=SOURCES[name],
        seeds=(len(having), n),
        remedies=tuple(Remedy(words, why) for words, why in mended if not _has(run.row, words)),
    )


def _has(row: Mapping[str, Any], words: Iterable[str]) -> bool:
    """Whether a run has these settings already."""
    pairs = (word.partition("=")[::2] for word in words)
    return all(shown(row.get(key)) == value for key, value in pairs)


# ---- the evidence, in words

Having = Sequence[tuple[Run, Sign]]


def _num(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 1e4 else f"{value:.1e}"


def _at(having: Having) -> str:
    """The step at which it was worst, or the first and the last of the runs' steps."""
    steps = sorted({int(sign.step) for _, sign in having})
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"


def _end(having: Having) -> str:
    """What it did to the train loss."""
    losses = [float(run.curve["train_loss"].iloc[-1]) for run, _ in having if len(run.curve)]
    if not losses or any(run.diverged for run, _ in having):
        return ""
    return f"; train loss {_num(float(np.median(losses)))} at the end"


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


def _rate(having: Having, value: float, threshold: float) -> str:
    side = ("too high", "above") if threshold == FAST else ("too low", "below")
    what = f"{side[0]}: a step moves a weight by {_num(value)} of its size at most (G5, median map)"
    return f"{what}, {side[1]} {threshold:g}{_end(having)}"


def _fit(having: Having, value: float, threshold: float) -> str:
    loss = float(np.median([run.curve["train_loss"].iloc[-1] for run, _ in having]))
    share = f"{_num(value)} of what can be learnt was, below {threshold:g}"
    return f"train loss {_num(loss)} nats at the end: {share}"


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
    "undertuned learning rate": _rate,
    "underfitting": _fit,
    "overfitting": _gap,
}


# ---- the remedies

Tried = Iterator[tuple[tuple[str, ...], str]]


def _joined(row: Mapping[str, Any]) -> Tried:
    """Other residual schemes, for a stack whose own hands nothing back."""
    if row["residual"] in ("none", "post"):
        yield ("residual=pre",), "an identity path through every block (Xiong et al. 2020)"
    if row["residual"] == "post" and row["init"] in ("default", "xavier", "small", "orthogonal"):
        yield ("residual=deepnorm",), "a heavier skip and smaller branches (Wang et al. 2022)"
    if row["residual"] == "post":
        yield ("residual=admin",), "a skip as heavy as what it carries (Liu et al. 2020)"


def _slower(row: Mapping[str, Any]) -> Tried:
    if row["warmup"] < 0.2:
        yield ("warmup=0.2",), "small steps while the layers settle (Xiong et al. 2020)"
    yield (f"lr={round_(row['lr'] / 3)}",), "smaller steps"


def _for_gradient(row: Mapping[str, Any], having: Having) -> Tried:
    if row["norm"] == "none" and row["residual"] != "rezero":
        yield ("norm=layer",), "every branch gets an input of one size"
    if having[0][1].value < 1:
        yield from _joined(row)
    else:
        yield ("init=small",), "smaller attention maps (Nguyen and Salazar 2019)"
        if row["residual"] in ("none", "post", "pre"):
            yield ("residual=scaled",), "branches divided by the root of their number (Noci et al. 2022)"
        if not row["clip"]:
            yield ("clip=1.0",), "a bound on the global gradient norm (Pascanu et al. 2013)"
    yield from _slower(row)


def _for_rank(row: Mapping[str, Any], having: Having) -> Tried:
    yield from _joined(row)
    yield from _slower(row)
    if row["residual"] == "pre":
        yield ("residual=scaled",), "branches divided by the root of their number (Noci et al. 2022)"


def _for_attention(row: Mapping[str, Any], having: Having) -> Tried:
    yield from _slower(row)
    if row["init"] not in ("small", "gpt2"):
        yield ("init=small",), "smaller queries and keys (Nguyen and Salazar 2019)"
    if row["attention_dropout"] < 0.1:
        yield ("attention_dropout=0.1",), "no answer may hang on one token"
    if row["weight_decay"] < 0.1:
        yield ("weight_decay=0.1",), "a bound on the growth of queries and keys"


def _for_rate(row: Mapping[str, Any], having: Having) -> Tried:
    peak, lr = float(np.median([sign.value for _, sign in having])), row["lr"]
    for factor in (GOAL / peak, 3 * GOAL / peak if peak < GOAL else GOAL / peak / 3):
        yield (f"lr={round_(lr * factor)}",), f"so that a step moves a weight by about {GOAL:g} of its size"
    if peak < GOAL:
        yield _longer(row), "more steps at the same rate"
    elif row["warmup"] < 0.2:
        yield ("warmup=0.2",), "small steps while the layers settle"


def _for_divergence(row: Mapping[str, Any], having: Having) -> Tried:
    yield (f"lr={round_(row['lr'] / 10)}",), "smaller steps"
    if not row["clip"]:
        yield ("clip=1.0",), "a bound on the global gradient norm (Pascanu et al. 2013)"
    if row["norm"] == "none" and row["residual"] != "rezero":
        yield ("norm=layer",), "every branch gets an input of one size"
    yield from _joined(row)
    if row["warmup"] < 0.2:
        yield ("warmup=0.2",), "small steps while the layers settle"


def _longer(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"steps={2 * int(row['steps'])}",) if row["steps"] else (f"epochs={2 * int(row['epochs'])}",)


def _for_underfit(row: Mapping[str, Any], having: Having) -> Tried:
    yield _longer(row), "more steps"
    yield (f"lr={round_(row['lr'] * 3)}",), "larger steps"
    if row["dropout"]:
        yield ("dropout=0.0",), "nothing withheld"
    yield (f"dim={2 * int(row['dim'])}",), "a wider stack"


def _for_overfit(row: Mapping[str, Any], having: Having) -> Tried:
    for key, least, why in (
        ("dropout", 0.3, "more noise in every branch"),
        ("weight_decay", 0.1, "a pull towards small weights"),
        ("attention_dropout", 0.1, "no answer may hang on one token"),
    ):
        if row[key] < least:
            yield (f"{key}={least:g}",), why
    if row["depth"] > 1 and row["layer_drop"] < 0.2 and row["residual"] != "none":
        yield ("layer_drop=0.2",), "no answer may hang on one layer (stochastic depth)"
    if row["depth"] > 1:
        yield ("share_layers=true",), "one layer's weights for all"
    if not row["patience"]:
        yield ("patience=2",), "stops where validation loss rises"
    size = row.get("data.size")
    if size is not None and not pd.isna(size) and size:
        text = row["data"] in ("subjects", "csv")
        yield (f"data.size={0 if text else 2 * int(size)}",), "more data"


def round_(value: float) -> str:
    """To one digit, 1 or 3, as learning rates are tried: 0.00042 -> 0.0003. As it is typed."""
    power = math.floor(math.log10(value))
    digit = min((1, 3, 10), key=lambda d: abs(math.log10(value / d) - power))
    return f"{float(f'{digit}e{power}'):g}"


REMEDIES: dict[str, Callable[[Mapping[str, Any], Having], Tried]] = {
    "divergence": _for_divergence,
    "exploding gradient": _for_gradient,
    "vanishing gradient": _for_gradient,
    "rank collapse": _for_rank,
    "attention collapse": _for_attention,
    "undertuned learning rate": _for_rate,
    "underfitting": _for_underfit,
    "overfitting": _for_overfit,
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
        beyond = round_(best * 3 if best == tried[-1] else best / 3)
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
    """A row for each finding and remedy (one without a remedy has one row): `point`, `finding`, `k` of `n` runs with the
    Wilson interval `low`, `high` of their share, `value`, `threshold`, `evidence`, `source`, `remedy`, `why`,
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


def table(found: Sequence[Finding]) -> Table:
    """For a terminal of 80 columns: point, finding, evidence, k of n runs with the 95 % interval of their share, and the
    first remedy."""
    out = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for head, width in (("at", 13), ("finding", 12), ("evidence", 27), ("seeds", 8), ("to try", 15)):
        out.add_column(head, width=width, overflow="fold")
    before = None
    for f in found:
        k, n = f.seeds
        sure = stats.wilson(k, n)
        interval = f"{sure.low:.2f} to {sure.high:.2f}".replace("0.", ".")
        first = " ".join(f.remedies[0].words) if f.remedies else ""
        out.add_row("" if f.point == before else f.point, f.name, f.evidence, f"{k} of {n}\n{interval}", first)
        before = f.point
    return out


def sentences(found: Sequence[Finding], frames: Frames) -> list[str]:
    """Where nothing was found, what tries the first remedy of each finding, and what depth did to the loss."""
    finished = frames.runs[frames.runs["status"].isin(["done", "diverged"])]
    points = list(dict.fromkeys(finished["point"].map(str)))
    well = [point or "this point" for point in points if point not in {f.point for f in found}]
    out = []
    if points and not found:
        out.append(f"No finding: all {len(finished)} runs learnt what can be learnt, and what they learnt holds.")
    elif well:
        out.append(f"No finding at {', '.join(well)}.")
    for f in _gravest(found):
        out.append(
            f"To try {' '.join(f.remedies[0].words)} against {f.name}: {command(frames, f.point, f.remedies[0].words)}"
        )
    return out + depths(frames)


def _gravest(found: Sequence[Finding]) -> list[Finding]:
    """Of each kind the one that most of the runs have, the last such in the order of the study."""
    worst: dict[str, Finding] = {}
    for f in found:
        k, n = f.seeds
        if f.remedies and (f.name not in worst or k / n >= worst[f.name].seeds[0] / worst[f.name].seeds[1]):
            worst[f.name] = f
    return list(worst.values())


def depths(frames: Frames) -> list[str]:
    """Whether the deepest stack loses by its optimisation or by overfitting: its validation loss at the end against that
    of the best depth, which is the difference of the train losses plus that of the gaps. He et al. 2015, sec. 1,
    arXiv:1512.03385, call a train loss that rises with depth degradation."""
    done = stats.done(frames.runs)
    if "depth" not in frames.axes or done["depth"].nunique() < 2:
        return []
    others = [axis for axis in frames.axes if axis != "depth"]
    groups = done.groupby(others, sort=False, dropna=False) if others else [((), done)]
    told = []
    for key, group in groups:
        values = key if isinstance(key, tuple) else (key,)
        where = ", ".join(f"{axis}={shown(value)}" for axis, value in zip(others, values, strict=True))
        told.append(_depth(group, where))
    return [text for text in told if text]


def _depth(runs: pd.DataFrame, where: str) -> str:
    ends = {
        key: runs.pivot_table(index="seed", columns="depth", values=f"{key}_end") for key in ("val_loss", "train_loss")
    }
    deep, best = ends["val_loss"].columns.max(), ends["val_loss"].mean().idxmin()
    lead = f"With {where}, the" if where else "The"
    if deep == best:
        return f"{lead} lowest validation loss at the end is that of the deepest stack, {deep:g} blocks."
    pairs = {key: (end[deep] - end[best]).dropna() for key, end in ends.items()}
    val, train = (stats.interval(pairs[key]) for key in ("val_loss", "train_loss"))
    if not val.n:
        return ""
    interval = "" if math.isnan(val.low) else f", 95 % interval {val.low:+.2f} to {val.high:+.2f}"
    text = f"{lead} validation loss at the end of depth {deep:g} is {val.mean:+.2f} nats from that of depth {best:g}{interval}"
    parts = f"{train.mean:+.2f} of it train loss, {val.mean - train.mean:+.2f} gap"
    if math.isnan(val.low) or val.low <= 0:
        return f"{text} ({parts}): not separated over {val.n} seed{'s' if val.n > 1 else ''}."
    if train.mean >= val.mean / 2:
        return f"{text} ({parts}): the optimisation fails with depth (degradation, He et al. 2015), not generalisation."
    return f"{text} ({parts}): the deeper stack overfits; its optimisation does not fail."
