"""How well the arms of a study can be explained: the faithfulness of each method, agreement, and where heads look.

Two comparisons are tested for each choice of the other axes, and corrected as one family: the faithfulness of the
method that is the most faithful over the whole study, and the agreement between methods. The differences of the other
methods are given with intervals alone.
"""

import math
from functools import lru_cache
from typing import Any

import pandas as pd

from stackcli.analysis import paired_comparisons, statistics
from stackcli.analysis.explanation_tables import ALIKE, short_name
from stackcli.analysis.study_comparisons import name_value, split_runs
from stackcli.analysis.study_data import Frames
from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.wording import format_setting

AGREEMENT = "agreement"
TITLE = "faithfulness of explanations (random order 0), agreement of methods, attention distance in tokens"


def method_rows(frames: Frames) -> pd.DataFrame:
    """Returns the rows of `frames.scores` that are of methods, not of controls; empty without explanations."""
    scores = frames.scores
    return scores[~scores["control"].astype(bool)] if len(scores) else scores


def best_method(frames: Frames) -> str | None:
    """Returns the method with the highest mean faithfulness over all runs; None without explanations."""
    rows = method_rows(frames)
    means = rows.groupby("method")["faithfulness"].mean().dropna() if len(rows) else pd.Series(dtype=float)
    return str(means.idxmax()) if len(means) else None


def run_values(frames: Frames) -> pd.DataFrame:
    """Returns a row for each run: `run`, its settings, `status`, `faithfulness` by method (column: the method),
    `agreement` (mean over methods) and `distance` (mean over layers and heads, tokens)."""
    rows, heads = method_rows(frames), frames.heads
    if rows.empty:
        return pd.DataFrame()
    once = rows.drop_duplicates(["run", "method"])  # two arms may share a run
    wide = once.pivot(index="run", columns="method", values="faithfulness")
    wide[AGREEMENT] = rows.groupby("run")["agreement"].mean()
    wide["distance"] = heads.groupby("run")["distance"].mean() if len(heads) else math.nan
    keys = list(dict.fromkeys(["run", "arm", "point", "seed", "status", *frames.axes]))
    return frames.runs[keys].merge(wide.reset_index(), on="run")


@lru_cache(maxsize=1)
def explanation_differences(frames: Frames) -> pd.DataFrame:
    """Returns a row for each comparison with the first value of the first axis, paired by seed: where depth is that
    axis, of its largest value only. The columns of `paired_comparisons.compare`, with `where` (the other axes),
    `method` and `tested`; verdicts and p are corrected as one family for the rows that are tested, and empty for the
    others. Cached, as tables and files use it."""
    values, best = run_values(frames), best_method(frames)
    if values.empty or best is None or not frames.axes:
        return pd.DataFrame()
    methods = sorted(set(method_rows(frames)["method"]), key=lambda name: (name != best, name))
    found = []
    for where, group in split_runs(frames, values):
        for metric in (*methods, AGREEMENT):
            table = _compare(frames, group, metric)
            found.append(table.assign(where=where, tested=metric in (best, AGREEMENT)))
    rows = pd.concat(found, ignore_index=True)
    if rows.empty:
        return rows
    tested, others = rows[rows["tested"]], rows[~rows["tested"]]
    family = paired_comparisons.pool_comparisons(tested)
    return pd.concat([family, others.assign(p=math.nan, p_holm=math.nan, verdict="", kind="")], ignore_index=True)


def _compare(frames: Frames, runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    axis = frames.axes[0]
    if axis == "depth":
        runs = runs[runs[axis].isin([runs[axis].min(), runs[axis].max()])].sort_values(axis, kind="stable")
    if runs[axis].nunique(dropna=False) < 2:
        return pd.DataFrame()
    name = AGREEMENT if metric == AGREEMENT else "faithfulness"
    return paired_comparisons.compare(runs.assign(**{name: runs[metric]}), axis, name).assign(method=metric)


def explanation_table(frames: Frames) -> TerminalTable:
    """A row for each point, columns for the methods (the most faithful first), agreement and attention distance."""
    values, rows = run_values(frames), method_rows(frames)
    order = rows.groupby("method")["faithfulness"].mean().sort_values(ascending=False, na_position="last")
    axes = list(frames.axes)
    heads = [*axes, *map(short_name, order.index), "agr.", "dist."]
    names = [*axes, *order.index, "agreement", "distance"]
    hint = "a wider terminal or explanations.csv shows them"
    table = TerminalTable(heads, left=range(len(axes)), keys=len(axes), names=names, hint=hint)
    for key, group in values.groupby(axes, sort=False, dropna=False) if axes else [((), values)]:
        means = [group[column].mean() for column in (*order.index, AGREEMENT, "distance")]
        cells = ["-" if math.isnan(mean) else f"{mean:z.2f}".replace("0.", ".") for mean in means[:-1]]
        cells.append("-" if math.isnan(means[-1]) else f"{means[-1]:.1f}")
        table.add_row(*map(format_setting, key if isinstance(key, tuple) else (key,)), *cells)
    return table


def comparison_table(frames: Frames) -> TerminalTable | None:
    """A row for each tested comparison with the first value of the first axis; None without any."""
    rows = explanation_differences(frames)
    tested = rows[rows["tested"]].to_dict("records") if len(rows) else []
    if not tested:
        return None
    axis, others = frames.axes[0], ["where"] if any(row["where"] for row in tested) else []
    heads = [axis, *others, "of", "difference,\n95 % interval", "higher", "p Holm", "verdict"]
    text = (*range(len(others) + 2), len(heads) - 1)
    table = TerminalTable(
        heads,
        left=text,
        wrap=text,
        keys=len(others) + 2,
        drop=("p Holm", "higher"),
        hint="a wider terminal or explanation_differences.csv shows them",
    )
    for row in tested:
        interval = "" if math.isnan(row["low"]) else f" [{row['low']:+z.2f}, {row['high']:+z.2f}]"
        p = "" if math.isnan(row["p_holm"]) else f"{row['p_holm']:.3f}"
        arm = [format_setting(row["arm"]), *([row["where"]] if others else [])]
        verdict = row["verdict"].partition(",")[0]
        table.add_row(*arm, row["method"], f"{row['mean']:+z.2f}{interval}", f"{row['wins']}/{row['n']}", p, verdict)
    return table


def explanation_tables(frames: Frames) -> list[tuple[str, TerminalTable]]:
    """The tables of a study with explanations, each with its title; none without."""
    if not len(frames.scores):
        return []
    found = [(TITLE, explanation_table(frames))]
    compared = comparison_table(frames)
    if compared is not None:
        first = name_value(frames.axes[0], explanation_differences(frames)["baseline"].iloc[0])
        what = f"faithfulness of {best_method(frames)} and agreement of methods"
        found.append((f"{what} against {first}, paired by seed", compared))
    return found


def explanation_sentences(frames: Frames) -> list[str]:
    """Says what a perfect and a random explanation score, and which methods fail."""
    rows = method_rows(frames)
    if rows.empty:
        return []
    return [_controls(frames), *_failures(rows)]


def _controls(frames: Frames) -> str:
    """Says what a perfect and a random explanation score."""
    controls = frames.scores[frames.scores["control"].astype(bool)]
    mean = controls.groupby("method")["faithfulness"].mean()
    perfect, guess = float(mean.get("perfect", math.nan)), float(mean.get("random", math.nan))
    apart = "" if perfect > guess else ": the scores do not distinguish them here, so they cannot be trusted"
    return (
        f"For scale: on a bag of words whose weights are known, a perfect explanation has a faithfulness of "
        f"{perfect:.2f} on these texts, a random one {guess:z.2f}{apart}."
    )


def _failures(rows: pd.DataFrame) -> list[str]:
    """Names the methods that are no more faithful than a random order at a point, or independent of what was learnt."""
    out = []
    low = _points(rows, "faithfulness", lambda found: found.high <= 0 if found.n > 1 else found.mean <= 0)
    if low:
        out.append(f"No more faithful than a random order: {low}.")
    same = _points(rows, "sanity", lambda found: found.mean > ALIKE)
    if same:
        out.append(f"Nearly the same numbers for an untrained stack (rank correlation above {ALIKE:g}): {same}.")
    return out


def _points(rows: pd.DataFrame, column: str, fails: Any) -> str:
    """Methods for which `fails` holds, each with its points."""
    found: dict[str, list[str]] = {}
    points = rows["point"].nunique()
    for (method, point), group in rows.groupby(["method", "point"], sort=False):
        values = pd.to_numeric(group[column]).dropna()
        if len(values) and fails(statistics.interval(values)):
            found.setdefault(str(method), []).append(str(point))
    texts = []
    for method, names in found.items():
        where = "" if points == 1 else " at every point" if len(names) == points else f" at {', '.join(names[:3])}"
        texts.append(method + where + (f" and {len(names) - 3} more" if 3 < len(names) < points else ""))
    return "; ".join(texts)
