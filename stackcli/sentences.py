"""DataFrames -> what was found and how sure, in plain words, built from the verdicts of `stats`.

All comparisons of a study are one family: test accuracy of every point against the first value of the first axis (where
the data's source is known the excess loss, in nats above the source's own), its overfitting gap between the two ends of
depth, and every point against the bag of words, seeds crossed with test items. Holm's correction runs over all of them,
each with the p of its own test, and their number is said. A point of which a run is not done is never called the best.
"""

import math
from typing import Any, NamedTuple

import pandas as pd

from stackcli import signflip, signs, stats
from stackcli.frames import Frames

BAG = "TF-IDF + logistic regression"
MATCHED = 0.10  # relative difference of final train losses beyond which the gap is also told at a matched train loss
LEFT = 0.95  # of the train loss of guessing: a run that stays above it has learnt nothing
LEANING = ("leaning better", "leaning worse")
MARGIN = 0.005  # of an accuracy, or nats: differences of encodings below it are called none
GRADIENT = 2.0  # factor of the alignment-free ratio below or beyond which the gradient vanishes or grows


class Part(NamedTuple):
    """The runs for one choice of every axis but the first, the words for that choice, the test accuracy of the bag of
    words on their data (NaN: none), the metric that ranks them, and their comparisons."""

    where: str
    runs: pd.DataFrame
    score: float
    metric: str
    accuracy: pd.DataFrame
    gap: pd.DataFrame
    bag: pd.DataFrame


def sentences(frames: Frames) -> list[str]:
    """What was found and how sure; the runs that diverged, failed or are missing first."""
    done = stats.done(frames.runs)
    out = _unfinished(frames)
    if done.empty:
        return [*out, "No run has finished, so nothing was found."]
    if not frames.axes:
        return out + _single(frames, done)
    parts = compared(frames)
    for part in parts:
        out += [text for text in _told(frames, part) if text]
    return [*out, *_alike(frames), _certainty(frames, parts)]


def name(axis: str, value: Any) -> str:
    """A value of an axis in a sentence: depth 4, pe=relative, or an arm's own name."""
    return f"depth {shown(value)}" if axis == "depth" else shown(value) if axis == "arm" else f"{axis}={shown(value)}"


def shown(value: Any) -> str:
    """A setting as it is typed; a dash where a point has no such setting."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if str(value) in ("True", "False"):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def same(a: Any, b: Any) -> bool:
    """Equal values of an axis; a setting that neither point has is equal too."""
    return bool(a == b or (pd.isna(a) and pd.isna(b)))


# ---- the comparisons


def compared(frames: Frames) -> list[Part]:
    """Every comparison of the study, corrected as one family."""
    return _judged([_compared(frames, where, runs) for where, runs in _groups(frames)])


def metric_of(frames: Frames, runs: pd.DataFrame) -> str:
    """What ranks these runs: the excess loss where even a perfect model is unsure, by a known amount; else accuracy."""
    return "test_excess" if frames.facts_of(runs).get("entropy") else "test_acc"


def _groups(frames: Frames) -> list[tuple[str, pd.DataFrame]]:
    others = list(frames.axes[1:])
    if not others:
        return [("", frames.runs)]
    found = []
    for key, group in frames.runs.groupby(others, sort=False, dropna=False):
        key = key if isinstance(key, tuple) else (key,)
        found.append((", ".join(f"{a}={shown(v)}" for a, v in zip(others, key, strict=True)), group))
    return found


def _compared(frames: Frames, where: str, runs: pd.DataFrame) -> Part:
    axis, empty = frames.axes[0], pd.DataFrame()
    several, metric = runs[axis].nunique(dropna=False) > 1, metric_of(frames, runs)
    margin = MARGIN if frames.command == "compare-pe" else None
    accuracy = stats.compare(runs, axis, metric, runs[axis].iloc[0], margin) if several else empty
    gap, bag = empty, empty
    if axis == "depth" and several:
        ends = runs[runs[axis].isin([runs[axis].min(), runs[axis].max()])]
        gap = stats.compare(ends, axis, "gap_end", runs[axis].min())
    facts = frames.facts_of(runs)
    found = facts.get("tfidf_acc")
    score = found if isinstance(found, float) else math.nan
    if not math.isnan(score):
        bag = stats.against(runs, axis, score, facts.get("tfidf_right"), BAG)
    return Part(where, runs, score, metric, accuracy, gap, bag)


def _judged(parts: list[Part]) -> list[Part]:
    """The same parts, their verdicts corrected as one family."""
    tables = [table for part in parts for table in (part.accuracy, part.gap, part.bag)]
    family = stats.pool(*(table for table in tables if len(table)))
    at, out = 0, []
    for part in parts:
        cut = []
        for table in (part.accuracy, part.gap, part.bag):
            cut.append(family.iloc[at : at + len(table)])
            at += len(table)
        out.append(Part(part.where, part.runs, part.score, part.metric, *cut))
    return out


# ---- the words


def _told(frames: Frames, part: Part) -> list[str]:
    axis, done = frames.axes[0], stats.done(part.runs)
    if done.empty:
        return [_sentence(f"{_lead(part.where)}no run has finished")]
    broken = part.runs.loc[part.runs["status"] != "done", axis]
    ranked = done[~done[axis].isin(broken)].groupby(axis, sort=False, dropna=False)[part.metric].mean()
    out = []
    if len(ranked):
        best = ranked.idxmax() if part.metric == "test_acc" else ranked.idxmin()
        out.append(_best(axis, best, ranked, part))
        out.append(" ".join(_versus(axis, row) for row in _worth_telling(part.accuracy, best)))
        out.append(_bag(axis, best, part))
    return out + (_inside(frames, done, part.gap) if axis == "depth" and done[axis].nunique() > 1 else [])


def _lead(where: str) -> str:
    return f"with {where}, " if where else ""


def _sentence(text: str) -> str:
    first = text.partition(" ")[0]
    return (text if "=" in first else text[0].upper() + text[1:]) + "."  # a setting stays as it is typed


WORDS = {
    "test_acc": ("a mean test accuracy of", "the highest mean test accuracy of", ""),
    "test_excess": (
        "a mean excess test loss of",
        "the lowest mean excess test loss of",
        " nats above the source's own",
    ),
}


def _best(axis: str, best: Any, means: pd.Series, part: Part) -> str:
    alone, first, unit = WORDS[part.metric]
    who, value = f"{_lead(part.where)}{name(axis, best)} has", f"{means[best]:.3f}{unit}"
    if len(means) == 1:
        return _sentence(f"{who} {alone} {value}")
    return _sentence(f"{who} {first} {', '.join(shown(v) for v in means.index)} ({value})")


def _worth_telling(table: pd.DataFrame, best: Any) -> list[dict[str, Any]]:
    """At most two comparisons: the best point's and the worst point's, each against the baseline."""
    rows = [row for row in table.sort_values("mean").to_dict("records") if row["n"]] if len(table) else []
    if rows and not stats.higher_is_better(rows[0]["metric"]):
        rows = rows[::-1]
    picked = [r for r in rows if same(r["arm"], best)]
    worse = -1 if rows and stats.higher_is_better(rows[0]["metric"]) else 1
    picked += [r for r in rows[:1] if not same(r["arm"], best) and r["mean"] * worse > 0]
    return picked or rows[-1:]


def _versus(axis: str, row: dict[str, Any]) -> str:
    interval = "" if math.isnan(row["low"]) else f", 95 % interval {row['low']:+.3f} to {row['high']:+.3f}"
    note = f" ({row['note']})" if row["note"] else ""
    evidence = f"{row['mean']:+.3f}{interval}, wins {row['wins']} of {row['n']}"
    return _sentence(
        f"{name(axis, row['arm'])} against {name(axis, row['baseline'])}: {row['verdict']} ({evidence}){note}"
    )


def _bag(axis: str, best: Any, part: Part) -> str:
    table, score = part.bag, f"{BAG}, {part.score:.3f}"
    if table.empty:
        return ""
    row = next(row for row in table.to_dict("records") if same(row["arm"], best))
    if row["kind"] == "better":
        return _sentence(f"{name(axis, best)} beats a bag of words ({score})")
    if set(table["kind"]) <= {"worse", "leaning worse"}:
        verb = "is better than every stack" if set(table["kind"]) == {"worse"} else "leans better than every stack"
        return f"A bag of words ({score}) {verb} here."
    return _sentence(f"{name(axis, best)} against a bag of words ({score}): {row['verdict']}")


def _inside(frames: Frames, done: pd.DataFrame, gap: pd.DataFrame) -> list[str]:
    """The gap, the gradient and the time between the two ends of depth."""
    low, high = done["depth"].min(), done["depth"].max()
    first, last = done[done["depth"] == low], done[done["depth"] == high]
    out = [_gap(frames, done, gap), _gradient(last, high)]
    times = last["step_ms"].mean() / first["step_ms"].mean() if "step_ms" in done else math.nan
    if not math.isnan(times):
        out.append(f"A step of depth {high:g} takes {times:.1f} times that of depth {low:g}.")
    return out


def _gap(frames: Frames, done: pd.DataFrame, table: pd.DataFrame) -> str:
    row = table.iloc[0]
    if not row["n"]:
        return ""
    low, high = row["baseline"], row["arm"]
    way = "grows" if row["mean"] > 0 else "shrinks"
    words = {"better": way, "worse": way} | dict.fromkeys(LEANING, f"leans: it {way}")
    ends = [done[done["depth"] == depth]["gap_end"].mean() for depth in (low, high)]
    text = (
        f"The overfitting gap at the end, {ends[0]:.2f} nats at depth {low:g} and {ends[1]:.2f} at depth {high:g}, "
        f"{words.get(row['kind'], 'is ' + row['verdict'])}"
    )
    return text + _matched(frames, done, low, high) + "."


def _matched(frames: Frames, done: pd.DataFrame, low: float, high: float) -> str:
    """The gap at a matched train loss, where the two ends were not trained to the same loss."""
    ends = [done[done["depth"] == depth] for depth in (low, high)]
    first, last = (end["train_loss_end"].mean() for end in ends)
    curve = frames.curve[frames.curve["run"].isin(pd.concat(ends)["run"])] if len(frames.curve) else frames.curve
    if abs(last - first) <= MATCHED * max(first, last) or curve.empty:
        return ""
    target, gaps = stats.matched_gap(curve)
    guess = signs.bounds(frames, done.iloc[0])[0]
    if math.isnan(guess):
        guess = curve.sort_values("step").groupby("run")["train_loss"].first().mean()
    if target > LEFT * guess:
        return "; not every run has left the train loss of guessing, so that no matched one compares them"
    means = [gaps[end["run"]].mean() for end in ends]
    if any(math.isnan(mean) for mean in means):
        return ""
    return f"; at a matched train loss of {target:.3f} nats it is {means[0]:z.2f} and {means[1]:z.2f}"


def _gradient(last: pd.DataFrame, depth: float) -> str:
    ratios = [last[f"{kind}_ratio_init"].dropna() for kind in ("grad", "free")]
    if not all(len(values) and (values > 0).all() for values in ratios):
        return ""
    plain, free = (stats.geometric(values).mean for values in ratios)
    how, also = f"is within a factor of {GRADIENT:g} at both ends", ""
    if free < 1 / GRADIENT or free > GRADIENT:
        how = "vanishes towards the input" if free < 1 else "grows towards the input"
        if (plain < 1) != (free < 1):
            also = "; the plain norm says otherwise, as gradients of aligned tokens add up"
    return (
        f"At initialisation the gradient of depth {depth:g} {how}: block 1 over block {depth:g} is {plain:.2f} plain "
        f"and {free:.2f} alignment-free{also}."
    )


def _single(frames: Frames, done: pd.DataFrame) -> list[str]:
    row = done.iloc[0]
    facts = frames.facts_of(done.iloc[:1])
    items = int(facts["sizes"]["test"])
    right = round(row["test_acc"] * items)
    found = stats.wilson(right, items)
    told = (
        f"{right} of {items} test items answered rightly: {row['test_acc']:.3f}, 95 % interval over items "
        f"{found.low:.3f} to {found.high:.3f} (Wilson); one seed says nothing about other seeds."
    )
    if facts.get("every"):
        loss, source, above = row["test_loss"], row.get("test_source"), ""
        if source is not None and not pd.isna(source):
            above = f", {row['test_excess']:z.3f} above the {source:.3f} that the data's own source has on these items"
        told = f"{row['test_acc']:.3f} of the scored test tokens answered rightly; loss {loss:.3f} nats a token{above}."
    out = [
        told,
        f"Overfitting gap {row['gap_end']:z.2f} nats at the end, {row['gap_best']:z.2f} at the lowest validation loss.",
    ]
    bag = facts["tfidf_acc"]
    if isinstance(bag, float):
        out.append(f"{BAG} answers {bag:.3f}, the commonest class {facts['majority_acc']:.3f}.")
    return out


GONE = {"diverged": "diverged", "failed": "failed", "lost": "were lost", "missing": "are missing"}


def _unfinished(frames: Frames) -> list[str]:
    out = []
    for status, verb in GONE.items():
        gone = frames.runs[frames.runs["status"] == status]
        if len(gone):
            counts = gone["point"].value_counts(sort=False)
            points = ", ".join(f"{point or 'the run'} ({n})" for point, n in counts.items())
            out.append(f"{len(gone)} of {len(frames.runs)} runs {verb}, and stand in no mean: {points}.")
    return out


ALIKE = {"params": "non-embedding parameters", "flops": "FLOPs of a forward pass"}


def _alike(frames: Frames) -> list[str]:
    """Where depths are matched: in what, to how much, and how nearly."""
    by = frames.match.get("by")
    if by is None:
        return []
    runs = frames.runs.dropna(subset=["flops", "params"])
    cost = runs["flops"] if by == "flops" else runs["params"] - runs["params_embedding"]
    others = [axis for axis in frames.axes if axis != "depth"]
    like, off = [], []
    for _, group in runs.groupby(others, sort=False, dropna=False) if others else [((), runs)]:
        own = cost[group.index]
        model = own[group["depth"] == frames.match["depth"]]
        like += model.tolist()[:1]
        off += (own / model.mean() - 1).abs().dropna().tolist()
    if not off:
        return []
    span = f"{min(like):,.0f}" + (f" to {max(like):,.0f}" if max(like) > min(like) else "")
    return [
        f"dim and ff were chosen for each depth: all have the {span} {ALIKE[by]} of depth {frames.match['depth']}, to "
        f"within {100 * max(off):.1f} %."
    ]


def certainty(frames: Frames) -> str:
    """Over how many seeds, how many comparisons, and how many seeds a claim would need."""
    return _certainty(frames, compared(frames)) if len(stats.done(frames.runs)) else "No run has finished."


def _certainty(frames: Frames, parts: list[Part]) -> str:
    """Over how many seeds, how many comparisons, and how many seeds a claim would need."""
    done = stats.done(frames.runs)
    counts = done.groupby(list(frames.axes), dropna=False)["seed"].count()
    low, high = int(counts.min()), int(counts.max())
    seeds = f"{low} seed{'s' if low > 1 else ''}" if low == high else f"{low} to {high} seeds"
    made = pd.concat([t for part in parts for t in (part.accuracy, part.gap, part.bag) if len(t)] or [pd.DataFrame()])
    family = made[made["p"].notna()] if len(made) else made
    text = f"Intervals are over {seeds} at a fixed split"
    if high < stats.LEAST:
        text = f"{seeds} at a fixed split, too few for an interval"
    if family.empty:
        return text + "."
    return f"{text}; {_counted(family, seeds)}.{_how(family)}"


def _counted(family: pd.DataFrame, seeds: str) -> str:
    """How many comparisons, and whether these seeds can call one stack better than another."""
    many = f"{len(family)} comparison{'s, Holm-corrected' if len(family) > 1 else ''}"
    flips = family[family["test"] == stats.FLIP]
    if flips.empty:
        return many
    passed = (family["test"] != stats.FLIP) & (family["p_holm"] < signflip.ALPHA)  # Holm corrects for them no more
    need, verb = signflip.claim_seeds(len(family) - int(passed.sum())), "is" if seeds == "1 seed" else "are"
    if flips["n"].min() < need:
        return f"{many}; {seeds} {verb} too few to call a stack better than another ({need} can)"
    return f"{many}; {seeds} {verb} enough to call a stack better than another"


def _how(family: pd.DataFrame) -> str:
    """What the intervals are, and what chance alone would bring of the words that nothing corrects."""
    flips, out = family[family["test"] == stats.FLIP], ""
    if len(flips) and flips["n"].max() >= stats.LEAST:
        kinds = {bool(n >= stats.INVERTED) for n in flips["n"] if n >= stats.LEAST}
        out += f" Of paired differences they are {_kind_of_interval(kinds)}."
    if (family["test"] == stats.CROSSED).any():
        out += " Against the bag of words seeds are crossed with test items (min F', Clark 1973)."
    if family["kind"].isin(LEANING).any():
        able = int((family["n"] >= stats.LEAST).sum())
        count = signflip.ALPHA * able
        out += f" Leaning is not corrected: chance alone would bring about {count:.2g} such words in {able}."
    return out


def _kind_of_interval(inverted: set[bool]) -> str:
    """`inverted`: which kinds of interval the comparisons have."""
    inverse = "those that the sign-flip test inverts"
    if len(inverted) > 1:
        return f"{inverse}, below {stats.INVERTED} pairs t intervals"
    return inverse if True in inverted else "t intervals"
