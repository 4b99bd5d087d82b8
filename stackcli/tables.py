"""DataFrames -> the table of a study, in every form, and the sentences under it.

A row a point (every choice of the swept settings), over its seeds: means with the half width of the 95 % t interval,
geometric means for ratios. Runs that diverged, failed or are missing are counted, never averaged.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from stackcli import stats
from stackcli.frames import Frames
from stackcli.suggest import nearest

WIDTH = 80
BAG = "TF-IDF + logistic regression"


class Column(NamedTuple):
    """A metric of the runs as a column: its short head, how it is averaged (mean, interval, ratio, same), decimals."""

    head: str
    how: str
    decimals: int


COLUMNS = {
    "params": Column("params", "same", 0),
    "test_acc": Column("test\nacc", "interval", 3),
    "train_loss_end": Column("train\nloss", "mean", 3),
    "val_loss_end": Column("val\nloss", "mean", 3),
    "gap_end": Column("gap\nend", "interval", 2),
    "gap_best": Column("gap\nbest", "interval", 2),
    "grad_ratio_init": Column("grad\n1/L", "ratio", 2),
    "free_ratio_init": Column("free\n1/L", "ratio", 2),
    "step_ms": Column("step\nms", "same", 1),
}
HIDE_FIRST = ("params", "train_loss_end", "val_loss_end", "free_ratio_init", "gap_best", "step_ms", "grad_ratio_init")


# ---- the numbers


def summary(
    frames: Frames, cols: Sequence[str] | None = None, sort: str | None = None, top: int | None = None
) -> pd.DataFrame:
    """A row a point: the axes, `done`, `planned`, `diverged`, and for each column NAME the number, with NAME_low and
    NAME_high where it has an interval. Baselines of text data follow, named in `baseline`.

    Raises ValueError for a column that is not there, with a suggestion.
    """
    runs, axes = frames.runs, list(frames.axes)
    columns = list(cols) if cols is not None else [c for c in COLUMNS if c in runs]
    _check(columns, runs)
    groups = runs.groupby(axes, sort=False, dropna=False) if axes else [((), runs)]
    keys = [(key if isinstance(key, tuple) else (key,), group) for key, group in groups]
    rows = [_row(dict(zip(axes, key, strict=True)), group, columns) for key, group in keys]
    if sort:
        name = sort.lstrip("-")
        _check([name], pd.DataFrame(columns=[*rows[0], *runs.columns]))
        value = [r.get(name) for r in rows]
        if name not in rows[0]:
            value = [_row({}, group, [name])[name] for _, group in keys]
        order = sorted(range(len(rows)), key=lambda i: _sortable(value[i]), reverse=sort.startswith("-"))
        order = [i for i in order if not _gap(value[i])] + [i for i in order if _gap(value[i])]
        rows = [rows[i] for i in order]
    rows = rows[:top] if top else rows
    table = pd.DataFrame(rows + (_baselines(frames) if "test_acc" in columns else []))
    table.attrs.update(axes=axes, columns=columns)
    return table


def _gap(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, float(value)) if isinstance(value, int | float) else (1, str(value))


def _check(names: Sequence[str], runs: pd.DataFrame) -> None:
    for name in names:
        if name not in runs.columns:
            shown = ", ".join(c for c in runs.columns if "." not in c)
            raise ValueError(f"column {name}: unknown{nearest(name, runs.columns)}; choose from {shown}")


def _row(head: dict[str, Any], group: pd.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    done = group[group["status"] == "done"]
    counts = {"done": len(done), "planned": len(group), "diverged": int((group["status"] == "diverged").sum())}
    row: dict[str, Any] = {**head, **counts}
    for name in columns:
        how = COLUMNS[name].how if name in COLUMNS else "interval"
        values = pd.to_numeric(done[name] if how != "same" else group[name], errors="coerce").dropna()
        if how == "ratio":
            values = values[values > 0]
            row[name] = float(np.exp(np.log(values).mean())) if len(values) else math.nan
        elif how == "interval" and len(values):
            found = stats.interval(values)
            row |= {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
        elif len(values):
            row[name] = float(values.mean())
        else:
            texts = done[name].dropna().astype(str).unique() if name in done else []
            row[name] = ", ".join(texts) if len(texts) else math.nan
    return row


def _baselines(frames: Frames) -> list[dict[str, Any]]:
    rows = []
    for name, facts in frames.facts.items():
        of = f" ({name})" if len(frames.facts) > 1 else ""
        scores = (("majority class", facts["majority_acc"]), (BAG, facts["tfidf_acc"]))
        rows += [{"baseline": label + of, "test_acc": score} for label, score in scores if score is not None]
    return rows


# ---- its forms


def _cells(table: pd.DataFrame, columns: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows as text; in a baseline's row the name stands under the first axis."""
    axes = list(table.attrs["axes"])
    points = table[table["baseline"].isna()] if "baseline" in table else table
    unfinished = bool((points["done"] < points["planned"]).any())
    heads = [*axes, *(["done"] if unfinished else []), *(COLUMNS[c].head if c in COLUMNS else c for c in columns)]
    rows = []
    for row in table.to_dict("records"):
        name = row.get("baseline")
        named = isinstance(name, str)
        first = [str(name)] + [""] * (len(axes) - 1) if named and axes else [_axis(row.get(a)) for a in axes]
        state = [""] if named else [_state(row)]
        rows.append([*first, *(state if unfinished else []), *(_cell(row, c) for c in columns)])
        if named and not axes:
            rows[-1][0] = rows[-1][0] or str(name)
    return heads, rows


def _axis(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _state(row: dict[str, Any]) -> str:
    text = f"{row['done']:.0f}/{row['planned']:.0f}"
    return text + (f" {row['diverged']:.0f} div." if row["diverged"] else "")


def _cell(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return ""
    if name.startswith("params") or name == "flops":
        return _large(value)
    decimals = COLUMNS[name].decimals if name in COLUMNS else 3
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    tiny = "ratio" in name and 0 < abs(value) < 0.005
    text = f"{value:.1e}" if tiny or abs(value) >= 1e5 else f"{value:.{decimals}f}"
    if low is None or high is None or math.isnan(low):
        return text
    half = f"{(high - low) / 2:.{decimals}f}"
    return f"{text}±{half.removeprefix('0')}"


def _large(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def _fitting(table: pd.DataFrame, width: int) -> tuple[list[str], list[str]]:
    """(columns that fit, columns hidden for width)."""
    columns, hidden = list(table.attrs["columns"]), []
    while _width(table, columns) > width:
        found = next((c for c in HIDE_FIRST if c in columns), None)
        if found is None:
            break
        columns.remove(found)
        hidden.append(found)
    return columns, hidden


def _width(table: pd.DataFrame, columns: Sequence[str]) -> int:
    heads, rows = _cells(table, columns)
    rows = [row for row in rows if BAG not in row[0] and "majority class" not in row[0]]
    widths = (max(max(map(len, h.split("\n"))), *(len(r[i]) for r in rows)) for i, h in enumerate(heads))
    return sum(w + 1 for w in widths)


SHORT = {"majority class": "majority", BAG: "TF-IDF+LR"}


def render(table: pd.DataFrame, width: int = WIDTH) -> Table:
    """For a terminal of `width` columns; what does not fit is named in the caption. `TF-IDF+LR` is TF-IDF with
    logistic regression, `majority` the commonest class, ± the half width of the 95 % interval over seeds."""
    columns, hidden = _fitting(table, width - 2)
    heads, rows = _cells(table, columns)
    caption = f"hidden for width: {', '.join(hidden)}; --cols shows them" if hidden else None
    out = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, caption=caption, caption_justify="left")
    for i, head in enumerate(heads):
        text = i < len(table.attrs["axes"]) and not all(_numeric(r[i]) for r in rows if r[0] not in SHORT)
        out.add_column(head, justify="left" if text else "right", no_wrap=True)
    for row in rows:
        out.add_row(_short(row[0]), *row[1:])
    return out


def _short(text: str) -> str:
    for name, short in SHORT.items():
        text = short + text[len(name) :] if text.startswith(name) else text
    return text


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def to_csv(table: pd.DataFrame) -> str:
    """Tidy numbers, comma-separated; a text cell that a spreadsheet would take for a formula gets an apostrophe."""
    return str(table.map(_tame).to_csv(index=False))


def _tame(value: Any) -> Any:
    return "'" + value if isinstance(value, str) and value[:1] in tuple("=+-@") else value


def to_json(table: pd.DataFrame) -> str:
    """A list of rows, strict JSON: what is not known is null."""
    rows = [
        {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]
    return json.dumps(rows, indent=1, allow_nan=False, default=str)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    heads, rows = _cells(table, table.attrs["columns"])
    return pd.DataFrame(rows, columns=[h.replace("\n", " ") for h in heads])


def to_markdown(table: pd.DataFrame) -> str:
    """A Markdown table, as printed."""
    return str(_plain(table).to_markdown(index=False, disable_numparse=True))


def to_latex(table: pd.DataFrame) -> str:
    """A LaTeX table with booktabs rules; what LaTeX would read as a command is escaped, in heads too."""
    plain = _plain(table).replace("±", "+-", regex=True)
    text = str(plain.to_latex(index=False, escape=True, column_format="l" + "r" * (plain.shape[1] - 1)))
    return text.replace("+-", r"$\pm$")


# ---- the sentences


def sentences(frames: Frames) -> list[str]:
    """What was found and how sure, in plain words, built from the verdicts."""
    runs = frames.runs
    done = runs[runs["status"] == "done"]
    out = _unfinished(frames)
    if done.empty:
        return [*out, "No run has finished, so nothing was found."]
    if not frames.axes:
        return out + _single(frames, done)
    tests = 0
    for where, group in _groups(frames, runs):
        found, n = _axis_sentences(frames, group, where)
        out, tests = out + found, tests + n
    seeds = int(done.groupby(list(frames.axes), dropna=False)["seed"].count().max())
    return [*out, _certainty(seeds, tests)]


def _groups(frames: Frames, runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The runs for each choice of the axes but the first, with the words for that choice."""
    others = list(frames.axes[1:])
    if not others:
        return [("", runs)]
    found = []
    for key, group in runs.groupby(others, sort=False, dropna=False):
        key = key if isinstance(key, tuple) else (key,)
        found.append((", ".join(f"{a}={_axis(v)}" for a, v in zip(others, key, strict=True)), group))
    return found


def _axis_sentences(frames: Frames, group: pd.DataFrame, where: str) -> tuple[list[str], int]:
    axis = frames.axes[0]
    done = group[group["status"] == "done"]
    means = done.groupby(axis, sort=False, dropna=False)["test_acc"].mean().dropna()
    if len(means) < 1:
        return [f"{_lead(where)}no run has finished."], 0
    best, baseline = means.idxmax(), group[axis].iloc[0]
    table = stats.compare(group, axis, "test_acc", baseline) if group[axis].nunique() > 1 else pd.DataFrame()
    out = [_best(axis, best, means, where)]
    if len(table):
        out.append(" ".join(_versus(axis, row) for row in _told(table, best, baseline)))
    data = str(group["data"].iloc[0])
    out += _bag(frames, done, axis, best, data) if group["data"].nunique() == 1 else []
    out += _inside(axis, done)
    return [text for text in out if text], int(table.attrs.get("comparisons", 0)) if len(table) else 0


def _lead(where: str) -> str:
    return f"With {where}, " if where else ""


def _name(axis: str, value: Any) -> str:
    return f"depth {_axis(value)}" if axis == "depth" else _axis(value) if axis == "arm" else f"{axis}={_axis(value)}"


def _best(axis: str, best: Any, means: pd.Series, where: str) -> str:
    others = ", ".join(_axis(v) for v in means.index)
    text = f"{_lead(where)}{_name(axis, best)} has the highest mean test accuracy of {others} ({means[best]:.3f})."
    return text[0].upper() + text[1:]


def _told(table: pd.DataFrame, best: Any, baseline: Any) -> list[dict[str, Any]]:
    """Two arms at most are told of: the best one and the worst one, each against the baseline."""
    rows = table.sort_values("mean").to_dict("records")
    picked = [r for r in rows if r["arm"] == best] + [r for r in rows[:1] if r["arm"] != best and r["mean"] < 0]
    return picked or rows[-1:]


def _versus(axis: str, row: dict[str, Any]) -> str:
    who, base = _name(axis, row["arm"]), _name(axis, row["baseline"])
    interval = "" if math.isnan(row["low"]) else f", 95 % interval {row['low']:+.3f} to {row['high']:+.3f}"
    note = f" ({row['note']})" if row["note"] else ""
    evidence = f"{row['mean']:+.3f}{interval}, wins {row['wins']} of {row['n']}"
    text = f"{who} against {base}: {row['verdict']} ({evidence}){note}."
    return text[0].upper() + text[1:]


def _bag(frames: Frames, done: pd.DataFrame, axis: str, best: Any, data: str) -> list[str]:
    bag = frames.facts.get(data, {}).get("tfidf_acc")
    if not isinstance(bag, float):
        return []
    found = stats.interval(done[done[axis] == best]["test_acc"])
    if found.low > bag:
        return [f"{_name(axis, best).capitalize()} beats a bag of words ({BAG}, {bag:.3f})."]
    if found.high < bag or (math.isnan(found.low) and found.mean < bag):
        return [f"A bag of words ({BAG}, {bag:.3f}) does better than the best stack here."]
    return [f"No stack here is separated from a bag of words ({BAG}, {bag:.3f})."]


def _inside(axis: str, done: pd.DataFrame) -> list[str]:
    """The gap, the gradient and the time between the two ends of a numeric axis."""
    if axis != "depth" or done[axis].nunique() < 2:
        return []
    low, high = done[axis].min(), done[axis].max()
    first, last = done[done[axis] == low], done[done[axis] == high]
    out = [_gap_sentence(axis, done, low, high)]
    if last["grad_ratio_init"].notna().any():
        out.append(_gradient_sentence(last, high))
    if last["step_ms"].notna().any():
        times = last["step_ms"].mean() / first["step_ms"].mean()
        out.append(f"A step of depth {high:g} takes {times:.1f} times that of depth {low:g}.")
    return out


def _gap_sentence(axis: str, done: pd.DataFrame, low: float, high: float) -> str:
    row = stats.compare(done[done[axis].isin([low, high])], axis, "gap_end", low).iloc[0]
    way = "grows" if row["mean"] > 0 else "shrinks"
    words = {"better": way, "worse": way, "ahead": f"{way} (exploratory)", "behind": f"{way} (exploratory)"}
    ends = [done[done[axis] == depth]["gap_end"].mean() for depth in (low, high)]
    return (
        f"The overfitting gap at the end, {ends[0]:.2f} nats at depth {low:g} and {ends[1]:.2f} at depth {high:g}, "
        f"{words.get(row['kind'], 'is ' + row['verdict'])}."
    )


def _gradient_sentence(last: pd.DataFrame, depth: float) -> str:
    plain, free = stats.geometric(last["grad_ratio_init"]).mean, stats.geometric(last["free_ratio_init"]).mean
    how = "is about as large at the input"
    if free < 0.5 or free > 2:
        how = "vanishes towards the input" if free < 1 else "grows towards the input"
    also = "; the plain norm says otherwise, as gradients of aligned tokens add up" if (plain < 1) != (free < 1) else ""
    return (
        f"At initialisation the gradient of depth {depth:g} {how}: block 1 over block {depth:g} is {plain:.2f} plain "
        f"and {free:.2f} alignment-free{also}."
    )


def _single(frames: Frames, done: pd.DataFrame) -> list[str]:
    row = done.iloc[0]
    facts = frames.facts[str(row["data"])]
    items = int(facts["sizes"]["test"])  # type: ignore[index]
    right = round(row["test_acc"] * items)
    found = stats.wilson(right, items)
    out = [
        f"{right} of {items} test items answered rightly: {row['test_acc']:.3f}, 95 % interval over items "
        f"{found.low:.3f} to {found.high:.3f} (Wilson); one seed says nothing about other seeds.",
        f"Overfitting gap {row['gap_end']:.2f} nats at the end, {row['gap_best']:.2f} at the lowest validation loss.",
    ]
    bag = facts["tfidf_acc"]
    if isinstance(bag, float):
        out.append(f"{BAG} answers {bag:.3f}, the commonest class {facts['majority_acc']:.3f}.")
    return out


def _unfinished(frames: Frames) -> list[str]:
    out = []
    for status, verb in (
        ("diverged", "diverged"),
        ("failed", "failed"),
        ("lost", "were lost"),
        ("missing", "are missing"),
    ):
        gone = frames.runs[frames.runs["status"] == status]
        if len(gone):
            points = ", ".join(
                f"{point or 'the run'} ({n})" for point, n in gone["point"].value_counts(sort=False).items()
            )
            out.append(f"{len(gone)} of {len(frames.runs)} runs {verb}, and stand in no mean: {points}.")
    return out


def _certainty(seeds: int, tests: int) -> str:
    need = stats.claim_seeds(tests)
    level = "exploratory" if seeds < need else "enough for a claim"
    many = "comparison" if tests == 1 else "comparisons, Holm-corrected"
    return (
        f"Intervals are over {seeds} seed{'s' if seeds != 1 else ''} at a fixed split; {tests} {many}; "
        f"{seeds} seeds are {level}" + (f" ({need} allow one)." if seeds < need else ".")
    )
