"""What `cost` says in sentences: how the kinds of attention compare, how costs grow, and what was not measured."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from stackcli.analysis import cost_scaling
from stackcli.analysis.cost_tables import format_ms
from stackcli.analysis.study_comparisons import name_value
from stackcli.common.wording import count_noun
from stackcli.config.validation import in_words

LISTED = 6  # arms that a sentence names one by one
BEND = 0.2  # a change of the slope that is worth a sentence
KEPT = 2.0  # scores that would take so many times the measured memory are worth a sentence


def describe_costs(points: pd.DataFrame, axes: Sequence[str], base: str = "full") -> list[str]:
    """Returns the sentences under the tables; none of them needs a table to be understood."""
    done = cost_scaling.measured_points(points)
    if done.empty:
        return list(describe_missing(points, axes))
    exponents = cost_scaling.length_exponents(points, axes)
    return [
        *compare_kinds(points, axes, base),
        *describe_growth(exponents, axes),
        *describe_bend(points, axes),
        *describe_crossovers(cost_scaling.crossovers(points, axes, base), axes, base),
        *describe_predictions(cost_scaling.predictions(points, axes), axes),
        *describe_scores(done, axes),
        *describe_missing(points, axes),
    ]


def name_arm(row: Mapping[str, Any], axes: Sequence[str]) -> str:
    """Names a choice of the axes without `seq`: attention=full depth=2."""
    return " ".join(f"{name_value(axis, row[axis]).replace(' ', '=')}" for axis in axes if axis != "seq")


def span(values: Iterable[float], form: str = "{:.2f}") -> str:
    """Returns one number, or the least and the largest: 1.20 to 1.35."""
    found = [value + 0.0 if round(value, 2) else 0.0 for value in values]
    low, high = (form.format(f(found)) for f in (min, max))
    return low if low == high else f"{low} to {high}"


def say_share(ratios: Sequence[float]) -> str:
    """Says a ratio in words: 1/4.3 of, 1.5 times; of several the range."""
    texts = list(dict.fromkeys(_share(r) for r in sorted(ratios)))
    return texts[0] if len(texts) == 1 else f"{texts[0].rpartition(' ')[0]} to {texts[-1]}"


def _share(ratio: float) -> str:
    if ratio > 0.95:
        return f"{ratio:.2g} times"
    return f"1/{1 / ratio:.2g} of" if ratio > 0.01 else f"1/{1 / ratio:,.0f} of"


def compare_kinds(points: pd.DataFrame, axes: Sequence[str], base: str) -> list[str]:
    """Compares each kind of attention with `base` at the longest length at which both were measured."""
    if "attention" not in axes:
        return []
    done = cost_scaling.measured_points(points)
    others = [axis for axis in axes if axis not in ("attention", "seq")]
    whole, out = done[done["attention"] == base], []
    for kind in dict.fromkeys(done["attention"]):
        pairs = done[done["attention"] == kind].merge(whole, on=[*others, "seq"], suffixes=("", "_base"))
        if kind == base or pairs.empty:
            continue
        pairs = pairs[pairs["seq"] == pairs["seq"].max()]
        times = say_share([*(pairs["step_ms"] / pairs["step_ms_base"])])
        memory = [r for r in pairs["memory"] / pairs["memory_base"] if math.isfinite(r) and r > 0]
        text = f"At {int(pairs['seq'].iloc[0]):,} tokens a training step with attention={kind} takes {times} the time"
        out.append(f"{text}{f' and {say_share(memory)} the peak memory' if memory else ''} of attention={base}.")
    return out


def describe_growth(exponents: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Says how the step time grows with length, for each arm, or for each kind of attention where there are many."""
    known = exponents[exponents["time"].notna()]
    if known.empty:
        return []
    if len(known) <= LISTED:
        each, bounds = [_growth(row, axes) for row in known.to_dict("records")], "; in brackets 95 % intervals"
    else:
        bounds = ""
        by = "attention" if "attention" in axes else next(axis for axis in axes if axis != "seq")
        groups = known.groupby(by, sort=False)
        each = [f"n^{span(rows['time'])} with {name_value(by, key)}" for key, rows in groups]
    lengths = span(known["lengths"], "{:.0f}")
    return [f"Step time grows with the length n as {'; '.join(each)} ({lengths} lengths{bounds})."]


def _growth(row: Mapping[str, Any], axes: Sequence[str]) -> str:
    bounds = "" if math.isnan(row["time_low"]) else f" ({row['time_low']:.2f} to {row['time_high']:.2f})"
    arm = name_arm(row, axes)
    return f"n^{row['time']:.2f}{bounds}{f' with {arm}' if arm else ''}"


def describe_bend(points: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Names the arm whose slope changes most, where it changes much."""
    found = []
    for key, rows in cost_scaling.arms(cost_scaling.measured_points(points), axes, "seq"):
        if len(rows) > 2:
            first = cost_scaling.fit_power(rows["seq"][:2], rows["step_ms"][:2]).exponent
            last = cost_scaling.fit_power(rows["seq"][-2:], rows["step_ms"][-2:]).exponent
            found.append((abs(last - first), first, last, name_arm(key, axes)))
    if not found or max(found)[0] < BEND:
        return []
    _, first, last, arm = max(found)
    return [
        f"A single power of n is only a summary: the slope{f' with {arm}' if arm else ''} is {first:.2f} between the"
        f" two shortest lengths and {last:.2f} between the two longest."
    ]


def describe_crossovers(crossing: pd.DataFrame, axes: Sequence[str], base: str) -> list[str]:
    """Says from which length each arm is faster than `base`."""
    out = []
    for row in crossing.to_dict("records"):
        within = f"within {row['shortest']:,} to {row['longest']:,} tokens"
        words = {
            "always": f"is faster than {base} at every length measured, {row['shortest']:,} to {row['longest']:,}",
            "never": f"is never faster than {base} {within}",
            "from": f"is faster than {base} from about {row['at']:,.0f} tokens on",
            "below": f"is faster than {base} only below about {row['at']:,.0f} tokens",
        }
        out.append((name_arm(row, axes), words[row["where"]]))
    if len(out) > LISTED:
        return []
    return [f"{arm} {text}." for arm, text in out]


def describe_predictions(found: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Says how well the longest length is predicted from the shorter ones."""
    if found.empty:
        return []
    row = found.loc[found["beyond_ms"].idxmax()]
    arm, errors = name_arm(row.to_dict(), axes), span(100 * found["error"], "{:+.0f}")
    return [
        f"Fitted to the shorter lengths, a + b n + c n^2 predicts the step time at the longest length with an error of"
        f" {errors} %. At {2 * int(row['length']):,} tokens, which were not measured, the slowest step"
        f"{f', with {arm},' if arm else ''} should take about {format_ms(row['beyond_ms'])} ms."
    ]


def describe_scores(done: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Says what scores would take where the fused kernel keeps none."""
    rows = done[(done["kernel"] == "fused") & (done["score_bytes"] > KEPT * done["memory"])]
    if rows.empty:
        return []
    row = rows.loc[rows["score_bytes"].idxmax()].to_dict()
    arm = name_arm(row, axes)
    return [
        f"The fused kernel keeps no scores: at {row['seq']:,} tokens{f' with {arm}' if arm else ''} they would take"
        f" {in_words(row['score_bytes'])} (counted), and the whole step took {in_words(row['memory'])}."
    ]


def describe_missing(points: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Says which points were not measured and why."""
    out = []
    for status, rows in points[points["status"] != "done"].groupby("status", sort=False):
        names = [f"{name_arm(row, axes)} seq={row['seq']}".strip() for row in rows.to_dict("records")]
        shown = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
        if status == "needs memory":
            most, free = rows["needed"].max(), rows["free"].min()
            why = f"not run, as up to {in_words(most)} would be needed and {in_words(free)} are free"
        elif status == "failed":
            why = f"failed: {'; '.join(dict.fromkeys(str(text) for text in rows['why']))}"
        else:
            why = {"out of memory": "ran out of memory", "stopped": "not timed, as the command was stopped"}[
                str(status)
            ]
        out.append(f"{count_noun(len(names), 'points')} ({shown}): {why}.")
    return out
