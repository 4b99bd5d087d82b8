"""The evidence of a comparison: paired differences, loss by test length, accuracy lost without token order."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from stackcli.analysis import paired_comparisons, statistics
from stackcli.analysis.study_comparisons import all_comparisons, name_value
from stackcli.analysis.study_data import Frames
from stackcli.analysis.tables import format_pair
from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.wording import format_setting

CHANGES = {"test_acc_shuffled": "shuffled", "test_acc_reversed": "reversed", "test_acc_shifted": "shifted"}
COLUMNS = ["where", "arm", "baseline", "metric", "mean", "low", "high", "d_z", "wins", "n"]
COLUMNS += ["test", "p", "p_holm", "verdict", "note"]
Titled = tuple[str, TerminalTable]
COMPARED = ("difference, 95 % interval", "d_z", "wins", "p Holm", "verdict")
IN_CSV = "a wider terminal or differences.csv shows them"
METRICS = {"test_acc": "test accuracy", "test_excess": "excess test loss, nats"}


def comparison_rows(frames: Frames) -> pd.DataFrame:
    """Returns a row for every comparison of a study, all that Holm's correction needs: the ranking metric and the
    overfitting gap against the first value of the first axis, and test accuracy against a bag of words.

    Columns: `where` (the other axes), `arm`, `baseline`, `metric`, `mean`, `low`, `high`, `d_z`, `wins`, `n`, `test`
    (sign flip; min F': seeds crossed with test items), `p` (NaN: not tested and not corrected for), `p_holm`,
    `verdict`, `note`."""
    return _rows(frames, ("accuracy", "gap", "bag"))


def ranking_comparisons(frames: Frames) -> pd.DataFrame:
    """Returns the rows of `comparison_rows` that compare the ranking metric (accuracy or excess loss)."""
    return _rows(frames, ("accuracy",))


def _rows(frames: Frames, kinds: Sequence[str]) -> pd.DataFrame:
    parts = all_comparisons(frames) if frames.axes and len(paired_comparisons.finished_runs(frames.runs)) else []
    found = [getattr(part, key).assign(where=part.where) for part in parts for key in kinds]
    rows = [table for table in found if len(table)]
    return pd.concat(rows, ignore_index=True)[COLUMNS] if rows else pd.DataFrame(columns=COLUMNS)


def scores_by_length(frames: Frames) -> pd.DataFrame:
    """Returns a row for each point and test length: the axes, `length`, `loss`, `excess` (loss above that of the data's
    own source on the same items; NaN where unknown), `acc` and the half widths of their 95 % intervals over seeds."""
    rows: list[dict[str, Any]] = []
    for run in paired_comparisons.finished_runs(frames.runs).to_dict("records"):
        head = {axis: run[axis] for axis in frames.axes}
        cells = run.get("by_length")
        for length, loss, acc, *source in cells if isinstance(cells, list | tuple) else ():
            excess = float(loss) - float(source[0]) if source else math.nan
            rows.append({**head, "length": length, "loss": float(loss), "excess": excess, "acc": float(acc)})
    return _over_seeds(pd.DataFrame(rows), [*frames.axes, "length"], ("loss", "excess", "acc"))


def scores_by_order(frames: Frames) -> pd.DataFrame:
    """Returns a row for each point: the axes, `test_acc`, and the accuracy lost where the tokens of each test item are
    shuffled, reversed or shifted, with the half widths of their 95 % intervals over seeds."""
    done = paired_comparisons.finished_runs(frames.runs)
    known = [c for c in CHANGES if c in done and done[c].notna().any()]
    if not known:
        return pd.DataFrame()
    lost = {CHANGES[c]: pd.to_numeric(done["test_acc"]) - pd.to_numeric(done[c]) for c in known}
    rows = done[[*frames.axes, "test_acc"]].assign(**lost)
    rows = rows[rows[list(lost)].notna().any(axis=1)]
    return _over_seeds(rows, list(frames.axes), ("test_acc", *lost))


def _over_seeds(rows: pd.DataFrame, keys: list[str], values: tuple[str, ...]) -> pd.DataFrame:
    if rows.empty:
        return rows
    groups = rows.groupby(keys, sort=False, dropna=False) if keys else [((), rows)]
    out, pairs = [], []
    for key, group in groups:
        row = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        each = {value: group[value].dropna() for value in values}
        for value, numbers in each.items():
            found = statistics.interval(numbers)
            row |= {value: found.mean, f"{value}_half": found.high - found.mean}
        out.append(row)
        pairs.append({value: tuple(numbers) for value, numbers in each.items() if len(numbers) == 2})
    table = pd.DataFrame(out)
    table.attrs["pairs"] = pairs
    return table


# ---- as text


def build_tables(frames: Frames) -> list[Titled]:
    """Returns the tables for a terminal, each with its title and at most 80 columns wide."""
    axis = frames.axes[0] if frames.axes else ""
    found: list[Titled] = []
    rows = ranking_comparisons(frames)
    for where, group in rows.groupby("where", sort=False):
        first = group.iloc[0]
        title = (
            f"{METRICS[first['metric']]} against {name_value(axis, first['baseline'])}{', ' + where if where else ''}"
        )
        table = TerminalTable([axis, *COMPARED], left=(0, 5), wrap=(5,), drop=("d_z", "p Holm"), hint=IN_CSV)
        for row in group.to_dict("records"):
            interval = "" if math.isnan(row["low"]) else f" [{row['low']:+z.3f}, {row['high']:+z.3f}]"
            wins, effect = f"{row['wins']}/{row['n']}", "" if math.isnan(row["d_z"]) else f"{row['d_z']:.1f}"
            p = "" if math.isnan(row["p_holm"]) else f"{row['p_holm']:.3f}"
            table.add_row(format_setting(row["arm"]), f"{row['mean']:+z.3f}{interval}", effect, wins, p, row["verdict"])
        found.append((title, table))
    return [*found, *_by_length(frames), *_by_order(frames)]


def _by_length(frames: Frames) -> list[Titled]:
    found: list[Titled] = []
    rows = scores_by_length(frames)
    data = [("", rows)] if rows.empty or "data" not in rows else list(rows.groupby("data", sort=False))
    for which, group in data:
        if group.empty:
            continue
        excess = bool(group["excess"].notna().any()) and bool((group["excess"] != group["loss"]).any())
        column, unit = ("excess", "excess loss, nats") if excess else ("acc", "accuracy")
        axes = [axis for axis in frames.axes if axis != "data"]
        lengths = sorted(set(group["length"]))
        title = f"{unit}, by test length{f', data={which}' if which else ''}"
        table = TerminalTable(
            [*axes, *map(str, lengths)],
            left=range(len(axes)),
            keys=len(axes),
            drop=list(map(str, lengths[1:-1])),
            hint="a wider terminal or lengths.csv shows them",
        )
        for key, line in group.groupby(axes, sort=False, dropna=False) if axes else [((), group)]:
            cells = {row["length"]: _cell(row, column, rows.attrs["pairs"][i]) for i, row in _numbered(line)}
            table.add_row(
                *map(format_setting, key if isinstance(key, tuple) else (key,)), *(cells.get(n, "") for n in lengths)
            )
        found.append((title, table))
    return found


def _by_order(frames: Frames) -> list[Titled]:
    rows = scores_by_order(frames)
    if rows.empty:
        return []
    axes, lost = list(frames.axes), [c for c in CHANGES.values() if c in rows]
    title = "test accuracy, and its change when the tokens of each test item are"
    hint = "a wider terminal or orders.csv shows them"
    table = TerminalTable([*axes, "as they are", *lost], left=range(len(axes)), keys=len(axes), hint=hint)
    for i, row in _numbered(rows):
        pair = rows.attrs["pairs"][i]
        cells = [_cell(row, "test_acc", pair)]
        cells += ["" if math.isnan(row[c]) else _cell(row, c, pair, change=True) for c in lost]
        table.add_row(*(format_setting(row[axis]) for axis in axes), *cells)
    return [(title, table)]


def _numbered(rows: pd.DataFrame) -> list[tuple[int, dict[str, Any]]]:
    return list(zip(map(int, rows.index), rows.to_dict("records"), strict=True))


def _cell(row: dict[str, Any], name: str, pair: dict[str, tuple[float, ...]], *, change: bool = False) -> str:
    """Formats a mean with its interval, or the values of two seeds; `change`: what is lost, as a signed change."""
    value, half, sign = row[name], row[f"{name}_half"], -1 if change else 1
    if math.isnan(value):
        return "refused"
    if name in pair:
        return format_pair([sign * x for x in pair[name]], 3)
    text = f"{-value:+z.3f}" if change else f"{value:z.3f}"
    return text if math.isnan(half) else f"{text}±{half:.3f}".replace("±0.", "±.")
