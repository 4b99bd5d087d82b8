"""Says in sentences what was found and how sure it is, from the verdicts of `statistics`.

All comparisons of a study are one family: test accuracy of every point against the first value of the first axis (or
the excess loss, in nats above the data's own source, where that is known), the overfitting gap between the two ends of
depth, and every point against the bag of words, seeds crossed with test items. Holm's correction covers all of them,
each with the p of its own test, and the sentences name their number. A point with an unfinished run is never called
the best.
"""

import math
from functools import lru_cache
from typing import Any

import pandas as pd

from stackcli.analysis import paired_comparisons, run_health, statistics
from stackcli.analysis.certainty import _certainty, seeds_for_claim
from stackcli.analysis.study_comparisons import BAG, LEANING, Part, all_comparisons, name_value, same_value
from stackcli.analysis.study_data import Frames
from stackcli.common.wording import count_noun

MATCHED = 0.10  # if final train losses differ by a larger share, the gap at a matched train loss is also given
LEFT = 0.95  # share of the train loss of guessing: a run that stays above it has learnt nothing
GRADIENT = 2.0  # an alignment-free ratio beyond this factor is called vanishing or growing


def summary_sentences(frames: Frames) -> list[str]:
    """Returns what was found and how sure it is; the runs that diverged, failed or are missing come first."""
    return list(_summary(frames))


@lru_cache(maxsize=1)
def _summary(frames: Frames) -> tuple[str, ...]:
    """The sentences, made once for the terminal and the files of a report."""
    done = paired_comparisons.finished_runs(frames.runs)
    out = _unfinished(frames)
    if done.empty:
        return (*out, "No run has finished, so there is nothing to report.")
    if not frames.axes:
        return (*out, *_single(frames, done))
    parts = all_comparisons(frames)
    for part in parts:
        out += [text for text in _describe_part(frames, part) if text]
    return (*out, *_alike(frames), _certainty(frames, parts))


def verdict_sentences(frames: Frames) -> list[str]:
    """Returns the shortest answer: for each comparison the best value, and how it and the worst one differ from the
    first; what did not finish comes first, what a claim would need last."""
    done = paired_comparisons.finished_runs(frames.runs)
    if done.empty or not frames.axes:
        return summary_sentences(frames)
    out = _unfinished(frames)
    for part in all_comparisons(frames):
        out += [text for text in _describe_part(frames, part)[:2] if text]
    need, most = seeds_for_claim(frames), int(done.groupby(list(frames.axes), dropna=False)["seed"].count().max())
    few = f"{count_noun(most, 'seeds')} {'is' if most == 1 else 'are'} too few to call a stack better than another"
    return [*out, *([f"{few[0].upper()}{few[1:]}: at least {need} are needed."] if need else [])]


# ---- the words


def _describe_part(frames: Frames, part: Part) -> list[str]:
    axis, done = frames.axes[0], paired_comparisons.finished_runs(part.runs)
    if done.empty:
        return [_sentence(f"{_lead(part.where)}no run has finished")]
    broken = part.runs.loc[part.runs["status"] != "done", axis]
    ranked = done[~done[axis].isin(broken)].groupby(axis, sort=False, dropna=False)[part.metric].mean()
    out = []
    if len(ranked):
        best = ranked.idxmax() if part.metric == "test_acc" else ranked.idxmin()
        out.append(_best(axis, best, ranked, part, list(dict.fromkeys(broken))))
        out.append(" ".join(_versus(axis, row) for row in _best_and_worst(part.accuracy, best)))
        out.append(_bag(axis, best, part))
    return out + (_compare_ends(frames, done, part.gap) if axis == "depth" and done[axis].nunique() > 1 else [])


def _lead(where: str) -> str:
    return f"with {where}, " if where else ""


def _sentence(text: str) -> str:
    first = text.partition(" ")[0]
    return (text if "=" in first else text[0].upper() + text[1:]) + "."  # a setting stays as it is typed


WORDS = {
    "test_acc": ("a mean test accuracy of", "the highest mean test accuracy,", ""),
    "test_excess": ("a mean test loss of", "the lowest mean test loss,", " nats above that of the data's own source"),
}


def _best(axis: str, best: Any, means: pd.Series, part: Part, broken: list[Any]) -> str:
    """Names the best value of the axis and its mean, then all others with theirs, and those that are not ranked."""
    alone, first, unit = WORDS[part.metric]
    others = [f"{name_value(axis, v)}: {mean:.3f}" for v, mean in means.items() if not same_value(v, best)]
    text = f"{_lead(part.where)}{name_value(axis, best)} has {first if others else alone} {means[best]:.3f}{unit}"
    if others and means.nunique() == 1:
        every = ", ".join(name_value(axis, v) for v in means.index)
        text, others = f"{_lead(part.where)}{alone} {means[best]:.3f}{unit} for each of {every}", []
    text += f" ({', '.join(others)})" if others else ""
    left = ", ".join(name_value(axis, value) for value in broken)
    return _sentence(f"{text}; not ranked, as a run did not finish: {left}" if left else text)


def _best_and_worst(table: pd.DataFrame, best: Any) -> list[dict[str, Any]]:
    """Returns at most two comparisons with the baseline: that of the best point and that of the worst."""
    rows = [row for row in table.sort_values("mean").to_dict("records") if row["n"]] if len(table) else []
    if rows and not paired_comparisons.higher_is_better(rows[0]["metric"]):
        rows = rows[::-1]
    picked = [r for r in rows if same_value(r["arm"], best)]
    worse = -1 if rows and paired_comparisons.higher_is_better(rows[0]["metric"]) else 1
    picked += [r for r in rows[:1] if not same_value(r["arm"], best) and r["mean"] * worse > 0]
    return picked or rows[-1:]


def _versus(axis: str, row: dict[str, Any]) -> str:
    interval = "" if math.isnan(row["low"]) else f", 95 % interval {row['low']:+z.3f} to {row['high']:+z.3f}"
    note = f" ({row['note']})" if row["note"] else ""
    evidence = f"difference {row['mean']:+z.3f}{interval}, better in {row['wins']} of {count_noun(row['n'], 'seeds')}"
    return _sentence(
        f"{name_value(axis, row['arm'])} against {name_value(axis, row['baseline'])}: "
        f"{row['verdict']} ({evidence}){note}"
    )


def _bag(axis: str, best: Any, part: Part) -> str:
    table, score = part.bag, f"{BAG}, {part.score:.3f}"
    if table.empty:
        return ""
    row = next(row for row in table.to_dict("records") if same_value(row["arm"], best))
    if row["kind"] == "better":
        return _sentence(f"{name_value(axis, best)} beats a bag of words ({score})")
    if set(table["kind"]) <= {"worse", "leaning worse"}:
        verb = "is better than every stack" if set(table["kind"]) == {"worse"} else "is leaning better than every stack"
        return f"A bag of words ({score}) {verb} here."
    return _sentence(f"{name_value(axis, best)} against a bag of words ({score}): {row['verdict']}")


def _compare_ends(frames: Frames, done: pd.DataFrame, gap: pd.DataFrame) -> list[str]:
    """Returns sentences on the gap, the gradient and the time at the two ends of depth."""
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
    way = "it grows" if row["mean"] > 0 else "it shrinks"
    words = {"better": way, "worse": way} | dict.fromkeys(LEANING, f"{way} (leaning)")
    ends = [done[done["depth"] == depth]["gap_end"].mean() for depth in (low, high)]
    text = (
        f"The overfitting gap at the end is {ends[0]:z.2f} nats at depth {low:g} and {ends[1]:z.2f} at depth {high:g}: "
        f"{words.get(row['kind'], row['verdict'])}"
    )
    return text + _matched(frames, done, low, high) + "."


def _matched(frames: Frames, done: pd.DataFrame, low: float, high: float) -> str:
    """Returns the gap at a matched train loss if the two ends were not trained to the same loss."""
    ends = [done[done["depth"] == depth] for depth in (low, high)]
    first, last = (end["train_loss_end"].mean() for end in ends)
    curve = frames.curve[frames.curve["run"].isin(pd.concat(ends)["run"])] if len(frames.curve) else frames.curve
    if abs(last - first) <= MATCHED * max(first, last) or curve.empty:
        return ""
    target, gaps = paired_comparisons.matched_gap(curve)
    guess = run_health.loss_bounds(frames, done.iloc[0])[0]
    if math.isnan(guess):
        guess = curve.sort_values("step").groupby("run")["train_loss"].first().mean()
    if target > LEFT * guess:
        return "; some runs never got below the train loss of guessing, so the gaps are not compared at one train loss"
    means = [gaps[end["run"]].mean() for end in ends]
    if any(math.isnan(mean) for mean in means):
        return ""
    return f"; where both have a train loss of {target:.3f} nats it is {means[0]:z.2f} and {means[1]:z.2f}"


def _gradient(last: pd.DataFrame, depth: float) -> str:
    ratios = [last[f"{kind}_ratio_init"].dropna() for kind in ("grad", "free")]
    if not all(len(values) and (values > 0).all() for values in ratios):
        return ""
    plain, free = (statistics.geometric_interval(values).mean for values in ratios)
    how, also = f"changes by less than a factor of {GRADIENT:g} from the last block to the first", ""
    if free < 1 / GRADIENT or free > GRADIENT:
        how = "vanishes towards the input" if free < 1 else "grows towards the input"
        if (plain < 1) != (free < 1):
            also = "; the two differ, because gradients of aligned tokens add up"
    return (
        f"At initialisation the gradient of depth {depth:g} {how}: its norm at block 1 is {plain:.2f} times that at "
        f"block {depth:g}, {free:.2f} times with the alignment of tokens taken out{also}."
    )


def _single(frames: Frames, done: pd.DataFrame) -> list[str]:
    row = done.iloc[0]
    facts = frames.facts_of(done.iloc[:1])
    items = int(facts["sizes"]["test"])
    right = round(row["test_acc"] * items)
    found = statistics.wilson(right, items)
    text = (
        f"{right} of {items} test items correct: {row['test_acc']:.3f}, 95 % interval over items "
        f"{found.low:.3f} to {found.high:.3f} (Wilson); one seed says nothing about other seeds."
    )
    if facts.get("every"):
        loss, source, above = row["test_loss"], row.get("test_source"), ""
        if source is not None and not pd.isna(source):
            above = f", {row['test_excess']:z.3f} above the {source:.3f} that the data's own source has on these items"
        text = f"{row['test_acc']:.3f} of the scored test tokens correct; loss {loss:.3f} nats a token{above}."
    out = [
        text,
        f"Overfitting gap {row['gap_end']:z.2f} nats at the end, {row['gap_best']:z.2f} at the lowest validation loss.",
    ]
    bag = facts["tfidf_acc"]
    if isinstance(bag, float):
        always = f"always the most common class {facts['majority_acc']:.3f}"
        out.append(f"Test accuracy of the baselines: {BAG} {bag:.3f}, {always}.")
    return out


UNFINISHED = {
    "diverged": "diverged",
    "failed": "failed",
    "lost": "were lost",
    "preempted": "were preempted",
    "missing": "are missing",
}


def _unfinished(frames: Frames) -> list[str]:
    out = []
    for status, verb in UNFINISHED.items():
        rows = frames.runs[frames.runs["status"] == status]
        if len(rows):
            counts = rows["point"].value_counts(sort=False)
            points = ", ".join(f"{point} ({n})" for point, n in counts.items() if point)
            text = f"{len(rows)} of {len(frames.runs)} runs {verb} (left out of every mean)"
            text = f"The run {verb.replace('are', 'is').replace('were', 'was')}" if len(frames.runs) == 1 else text
            out.append(f"{text}: {points}." if points else f"{text}.")
    return out


ALIKE = {"params": "non-embedding parameters", "flops": "FLOPs of a forward pass"}


def _alike(frames: Frames) -> list[str]:
    """Says what the matched depths share, how much of it, and how closely; empty if depths are not matched."""
    by = frames.match.get("by")
    if by is None:
        return []
    runs = frames.runs.dropna(subset=["flops", "params"])
    cost = runs["flops"] if by == "flops" else runs["params"] - runs["params_embedding"]
    others = [axis for axis in frames.axes if axis != "depth"]
    sizes, off = [], []
    for _, group in runs.groupby(others, sort=False, dropna=False) if others else [((), runs)]:
        own = cost[group.index]
        model = own[group["depth"] == frames.match["depth"]]
        sizes += model.tolist()[:1]
        off += (own / model.mean() - 1).abs().dropna().tolist()
    if not off:
        return []
    span = f"{min(sizes):,.0f}" + (f" to {max(sizes):,.0f}" if max(sizes) > min(sizes) else "")
    return [
        f"dim and ff were chosen for each depth: all have the {span} {ALIKE[by]} of depth {frames.match['depth']}, "
        f"within {100 * max(off):.1f} %."
    ]
