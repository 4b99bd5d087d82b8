"""Says whether the deepest stack is worse because its optimisation fails or because it overfits."""

import math

import pandas as pd

from stackcli.analysis import paired_comparisons, statistics
from stackcli.analysis.study_data import Frames
from stackcli.common.wording import count_noun, format_setting


def describe_depth_effect(frames: Frames) -> list[str]:
    """Splits the validation loss of the deepest stack above the best depth into train loss and overfitting gap.

    Returns a sentence for each choice of the other axes. A train loss that rises with depth is called degradation, as
    in He et al. 2015, sec. 1, arXiv:1512.03385."""
    if "depth" not in frames.axes or not len(frames.runs):
        return []
    others = [axis for axis in frames.axes if axis != "depth"]
    groups = frames.runs.groupby(others, sort=False, dropna=False) if others else [((), frames.runs)]
    sentences = []
    for key, group in groups:
        values = key if isinstance(key, tuple) else (key,)
        where = ", ".join(f"{axis}={format_setting(value)}" for axis, value in zip(others, values, strict=True))
        sentences.append(_describe_group(group, where))
    return [text for text in sentences if text]


PART = 0.25  # a smaller share of the difference is not called a cause


def _describe_group(runs: pd.DataFrame, where: str) -> str:
    lead = f"With {where}, the" if where else "The"
    deepest, runs = runs["depth"].max(), paired_comparisons.finished_runs(runs)
    if runs["depth"].nunique() < 2:
        return ""
    if deepest not in set(runs["depth"]):
        return f"{lead} deepest stack, {deepest:g} blocks, has no finished run, so the effect of depth is not known."
    ends = {
        key: runs.pivot_table(index="seed", columns="depth", values=f"{key}_end") for key in ("val_loss", "train_loss")
    }
    deep, best = ends["val_loss"].columns.max(), ends["val_loss"].mean().idxmin()
    if deep == best:
        return f"{lead} deepest stack, {deep:g} blocks, has the lowest validation loss at the end."
    pairs = {key: (end[deep] - end[best]).dropna() for key, end in ends.items()}
    val, train = (statistics.interval(pairs[key]) for key in ("val_loss", "train_loss"))
    gap = statistics.interval(pairs["val_loss"] - pairs["train_loss"])
    if not val.n:
        return ""
    interval = "" if math.isnan(val.low) else f", 95 % interval {val.low:+z.2f} to {val.high:+z.2f}"
    text = (
        f"{lead} validation loss at the end differs by {val.mean:+z.2f} nats between depth {deep:g} and the best, "
        f"depth {best:g}{interval}: {train.mean:+z.2f} in the train loss and {gap.mean:+z.2f} in the overfitting gap"
    )
    if math.isnan(val.low):
        return f"{text}; {count_noun(val.n, 'seeds are', 'seed is')} too few to tell."
    if val.low <= 0:
        return f"{text}; not separated over {val.n} seeds, as the interval includes 0."
    fails, overfits = (part.low > 0 and part.mean >= PART * val.mean for part in (train, gap))
    text += " (not corrected for the other comparisons). "
    if fails and overfits:
        return f"{text}With depth the optimisation fails (degradation, He et al. 2015), and the stack overfits more."
    if fails:
        return f"{text}With depth the optimisation fails (degradation, He et al. 2015), not the generalisation."
    if overfits:
        return f"{text}The deeper stack overfits; its optimisation does not fail."
    return f"{text}The runs do not tell whether optimisation or overfitting causes it."
