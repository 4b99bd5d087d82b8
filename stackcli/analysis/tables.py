"""Makes the table of a study and writes it in every format.

The table has a row for each point (each choice of the swept settings), over its seeds: means with the half width of the
95 % t interval, geometric means for ratios. Runs that diverged, failed or are missing are counted, never averaged.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import pandas as pd

from stackcli.analysis import statistics
from stackcli.analysis.csv_text import restore_whole_numbers as restore_whole_numbers
from stackcli.analysis.csv_text import to_csv as to_csv
from stackcli.analysis.study_comparisons import BAG
from stackcli.analysis.study_data import Frames
from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.suggestions import suggest_nearest
from stackcli.common.wording import format_setting
from stackcli.config.settings import Config

WIDTH = 80
SETTINGS = {f.name for f in fields(Config)}


class Column(NamedTuple):
    """A metric of the runs as a column: its heading, how it is averaged (mean, interval, ratio, same), decimals."""

    head: str
    how: str
    decimals: int


COLUMNS = {
    "params": Column("params", "same", 0),
    "params_core": Column("core\nparams", "same", 0),
    "flops": Column("flops", "same", 0),
    "test_acc": Column("test\nacc", "interval", 3),
    "train_loss_end": Column("train\nloss", "mean", 3),
    "val_loss_end": Column("val\nloss", "mean", 3),
    "test_excess": Column("excess\nnats", "interval", 3),
    "gap_end": Column("gap\nend", "interval", 2),
    "gap_best": Column("gap\nbest", "interval", 2),
    "grad_ratio_init": Column("grad\n1/L", "ratio", 2),
    "free_ratio_init": Column("free\n1/L", "ratio", 2),
    "step_ms": Column("step\nms", "same", 1),
    "step_ms_same": Column("same\nkernel", "same", 1),
}
USUAL = tuple(name for name in COLUMNS if name not in ("params_core", "flops", "test_excess", "step_ms_same"))
MATCHED = {"params": "params_core", "flops": "flops"}  # replaces params if depths are matched
COMPARED = ("params", "test_acc", "test_excess", "gap_end", "step_ms", "step_ms_same")  # of compare-pe
PAIRS = "pairs"  # the values of two seeds, for each column with an interval
HIDE_FIRST = ("params", "train_loss_end", "val_loss_end", "free_ratio_init", "gap_best", "step_ms", "grad_ratio_init")


# ---- the numbers


def summarise_points(
    frames: Frames, cols: Sequence[str] | None = None, sort: str | None = None, top: int | None = None
) -> pd.DataFrame:
    """Returns a row for each point: `kind` (study), the axes, `done`, `planned`, `diverged`, and for each column NAME
    the number, with NAME_low and NAME_high if it has an interval. Baselines follow, with `kind` baseline and their name
    in `baseline`.

    Raises ValueError with a suggestion for an unknown column.
    """
    runs, axes = with_core(frames.runs), list(frames.axes)
    usual = [c for c in _usual(frames) if c in runs and (c != "test_excess" or runs[c].notna().any())]
    columns = list(cols) if cols is not None else usual
    _check(columns, runs)
    columns = [c for c in columns if c not in axes]  # axes have columns already
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
        order = [i for i in order if not _is_missing(value[i])] + [i for i in order if _is_missing(value[i])]
        rows = [rows[i] for i in order]
    rows = rows[:top] if top else rows
    pairs = [row.pop(PAIRS) for row in rows]
    table = pd.DataFrame(rows + (_baselines(frames) if "test_acc" in columns else []))
    table.attrs.update(axes=axes, columns=columns, pairs=pairs)
    return table


def with_core(runs: pd.DataFrame) -> pd.DataFrame:
    """Returns the runs with `params_core`: the trained parameters without those of the token and position tables."""
    if not {"params", "params_embedding"} <= set(runs.columns):
        return runs
    return runs.assign(params_core=runs["params"] - runs["params_embedding"])


def _usual(frames: Frames) -> tuple[str, ...]:
    """Returns the default columns; settings that were chosen for each point come first."""
    usual = COMPARED if frames.command == "compare-pe" else USUAL
    size = MATCHED.get(frames.match.get("by", ""), "params")
    return (*frames.chosen, *(size if name == "params" else name for name in usual))


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, float(value)) if isinstance(value, int | float) else (1, str(value))


def _check(names: Sequence[str], runs: pd.DataFrame) -> None:
    for name in names:
        if name not in runs.columns:
            shown = ", ".join(c for c in runs.columns if "." not in c)
            raise ValueError(f"column {name}: unknown{suggest_nearest(name, runs.columns)}; choose from {shown}")


def _row(head: dict[str, Any], group: pd.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    done = group[group["status"] == "done"]
    counts = {"done": len(done), "planned": len(group), "diverged": int((group["status"] == "diverged").sum())}
    row: dict[str, Any] = {"kind": "study", **head, **counts, PAIRS: {}}
    for name in columns:
        if name in done and name in COLUMNS and COLUMNS[name].how == "interval":
            row[PAIRS] |= {name: pair} if len(pair := tuple(done[name].dropna())) == 2 else {}
        row |= _entry(name, done[name] if name in done else pd.Series(dtype=object), group[name])
    return row


def _entry(name: str, done: pd.Series, group: pd.Series) -> dict[str, Any]:
    """Returns a column's number for one point, with its interval if it has one; settings are never averaged."""
    how = COLUMNS[name].how if name in COLUMNS else "interval"
    if name.partition(".")[0] in SETTINGS:
        return {name: ", ".join(dict.fromkeys(format_setting(v) for v in group.dropna()))}
    values = pd.to_numeric(group if how == "same" else done, errors="coerce").dropna()
    if how == "ratio":
        usable = len(values) > 0 and bool((values > 0).all())
        return {name: statistics.geometric_interval(values).mean if usable else math.nan}
    if how == "interval" and len(values):
        found = statistics.interval(values)
        return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
    if len(values):
        return {name: float(values.mean())}
    texts = done.dropna().astype(str).unique()
    return {name: ", ".join(texts) if len(texts) else math.nan}


def _baselines(frames: Frames) -> list[dict[str, Any]]:
    rows = []
    for name, facts in frames.facts.items():
        of = f" ({name})" if len(frames.facts) > 1 else ""
        scores = (("majority class", facts["majority_acc"]), (BAG, facts["tfidf_acc"]))
        rows += [
            {"kind": "baseline", "baseline": label + of, "test_acc": score}
            for label, score in scores
            if score is not None
        ]
    return rows


# ---- its formats


def table_cells(table: pd.DataFrame, columns: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Returns headings and rows as text: of the axes, or one without a heading if there are none, then of `columns`. A
    baseline's name is in the first column."""
    axes = list(table.attrs["axes"])
    points = table[table["kind"] == "study"]
    unfinished = bool((points["done"] < points["planned"]).any())
    state = ["done"] if unfinished else []
    heads = [*(axes or [""]), *state, *(COLUMNS[c].head if c in COLUMNS else c for c in columns)]
    rows = []
    pairs = table.attrs["pairs"]
    for i, row in enumerate(table.to_dict("records")):
        if row["kind"] == "baseline":
            name, _, data = str(row["baseline"]).partition(" (")
            own = {"data": data.removesuffix(")")} if data and "data" in axes[1:] else {}
            first = [name if own else str(row["baseline"]), *(own.get(axis, "") for axis in axes[1:])]
            status = [""] if unfinished else []
        else:
            first = [format_setting(row.get(a)) for a in axes] or ["this run" if row["planned"] == 1 else "these runs"]
            status = [_state(row)] if unfinished else []
        pair = pairs[i] if i < len(pairs) else {}
        texts = (format_pair(pair[c], COLUMNS[c].decimals) if c in pair else _cell(row, c) for c in columns)
        rows.append([*first, *status, *texts])
    return heads, rows


def _state(row: dict[str, Any]) -> str:
    text = f"{row['done']:.0f}/{row['planned']:.0f}"
    return text + (f" {row['diverged']:.0f} div." if row["diverged"] else "")


def _cell(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, str):
        return value.replace("\n", " ")
    if value is None or math.isnan(value):
        return ""
    if name.startswith("params") or name == "flops":
        return format_count(value)
    decimals = COLUMNS[name].decimals if name in COLUMNS else 3
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    tiny = "ratio" in name and 0 < abs(value) < 0.005
    text = f"{value:.1e}" if tiny or abs(value) >= 1e5 else f"{value:z.{decimals}f}"
    if low is None or high is None or math.isnan(low):
        return text
    if name.startswith("test_acc") and (low < 0 or high > 1):
        return f"{text} [{max(low, 0):.2f}, {min(high, 1):.2f}]"
    half = f"{(high - low) / 2:.{decimals}f}"
    return f"{text}±{half.removeprefix('0')}"


def format_pair(values: Sequence[float], decimals: int) -> str:
    """Formats the values of two seeds, which are too few for an interval.

    >>> format_pair([0.555, 0.8141], 3)
    '.555 / .814'
    """
    return " / ".join(re.sub(r"^(-?)0\.", r"\1.", f"{value:z.{decimals}f}") for value in values)


def format_count(value: float) -> str:
    """Returns a count with three digits and a unit: 1.31M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


SHORT = {"majority class": "majority", BAG: "TF-IDF+LR"}


def render_table(table: pd.DataFrame) -> TerminalTable:
    """Returns the table for a terminal; at any width the settings stay, and columns that do not fit are named below.
    `TF-IDF+LR` is TF-IDF with logistic regression, `majority` always answers the most common class, ± is the half
    width of the 95 % interval over seeds, and two seeds are shown as two values."""
    columns = list(table.attrs["columns"])
    heads, rows = table_cells(table, columns)
    axes = max(1, len(table.attrs["axes"]))
    text = [i for i in range(axes) if not all(_numeric(r[i]) for r in rows if not r[0].startswith(tuple(SHORT)))]
    out = TerminalTable(
        heads,
        left=text,
        keys=axes,
        names=[*heads[: len(heads) - len(columns)], *columns],
        drop=(*HIDE_FIRST, *reversed(columns[1:])),  # of the rest the first is kept
        hint="a wider terminal, --cols or --csv - shows them",
    )
    for row in rows:
        out.add_row(*map(_short, row))
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


def to_json(table: pd.DataFrame) -> str:
    """Returns a list of rows as strict JSON; missing values are null."""
    rows = [
        {k: None if v is pd.NA or (isinstance(v, float) and not math.isfinite(v)) else v for k, v in row.items()}
        for row in restore_whole_numbers(table).to_dict("records")
    ]
    return json.dumps(rows, indent=1, allow_nan=False, default=str)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    heads, rows = table_cells(table, table.attrs["columns"])
    return pd.DataFrame(rows, columns=[h.replace("\n", " ") for h in heads])


def to_markdown(table: pd.DataFrame) -> str:
    """Returns a Markdown table of the printed numbers."""
    return str(_plain(table).to_markdown(index=False, disable_numparse=True))


def to_latex(table: pd.DataFrame) -> str:
    """Returns a LaTeX table with booktabs rules; special characters are escaped."""
    plain = _plain(table).replace("±", "+-", regex=True)
    text = str(plain.to_latex(index=False, escape=True, column_format="l" + "r" * (plain.shape[1] - 1)))
    return text.replace("+-", r"$\pm$")
