"""Whether the deepest stack loses by its optimisation or by overfitting."""

import math

import pandas as pd

from stackcli.analysis import paired_comparisons, statistics
from stackcli.analysis.study_data import Frames
from stackcli.common.wording import format_setting


def describe_depth_effect(frames: Frames) -> list[str]:
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
        where = ", ".join(f"{axis}={format_setting(value)}" for axis, value in zip(others, values, strict=True))
        told.append(_depth(group, where))
    return [text for text in told if text]


PART = 0.25  # of what depth costs: what is less is not told as a cause


def _depth(runs: pd.DataFrame, where: str) -> str:
    lead = f"With {where}, the" if where else "The"
    deepest, runs = runs["depth"].max(), paired_comparisons.finished_runs(runs)
    if runs["depth"].nunique() < 2:
        return ""
    if deepest not in set(runs["depth"]):
        return f"{lead} deepest stack, {deepest:g} blocks, has no run that is done, so its cost is not known."
    ends = {
        key: runs.pivot_table(index="seed", columns="depth", values=f"{key}_end") for key in ("val_loss", "train_loss")
    }
    deep, best = ends["val_loss"].columns.max(), ends["val_loss"].mean().idxmin()
    if deep == best:
        return f"{lead} lowest validation loss at the end is that of the deepest stack, {deep:g} blocks."
    pairs = {key: (end[deep] - end[best]).dropna() for key, end in ends.items()}
    val, train = (statistics.interval(pairs[key]) for key in ("val_loss", "train_loss"))
    gap = statistics.interval(pairs["val_loss"] - pairs["train_loss"])
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
