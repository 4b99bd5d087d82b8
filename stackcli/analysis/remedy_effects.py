"""Says what each remedy did to the accuracy, to the finding itself and to the time of a step."""

import math
from dataclasses import replace
from typing import Any

import pandas as pd

from stackcli.analysis import comparisons, findings, paired_comparisons
from stackcli.analysis.study_comparisons import metric_of
from stackcli.analysis.study_data import Frames
from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.wording import format_seeds

BEFORE = "as it was"
COLUMNS = [
    "affected", "remedy", "finding", "had", "has", "n", "done", "planned", "metric", "value",
    "mean", "low", "high", "wins", "pairs", "p_holm", "verdict", "step_ratio",
]  # fmt: skip


def remedy_effects(frames: Frames) -> pd.DataFrame:
    """Returns a row for each affected point, remedy and finding of the point.

    Columns: `had`, the runs of the original study with the finding; `has`, the runs on fresh seeds that have it, of `n`
    done or diverged (NaN if the finding is about the values tried, not about a run); `done` of `planned` runs; `value`,
    the mean of the metric with the remedy; `mean`, `low`, `high`, `wins` of `pairs`, `p_holm` and `verdict` of the
    paired difference; `step_ratio`, the time of a step relative to the unchanged stack."""
    found = findings.findings(frames)
    compared = comparisons.ranking_comparisons(frames)
    rows: list[dict[str, Any]] = []
    for affected, group in frames.runs.groupby("affected", sort=False):
        part = replace(frames, runs=group)
        now = {f.name: f.seeds for f in found if f.point in set(group.loc[group["remedy"] == BEFORE, "point"])}
        had = frames.known.get("found", {}).get(affected) or now
        for remedy, runs in group.groupby("remedy", sort=False):
            point = runs["point"].iloc[0]
            line = compared[(compared["where"] == f"affected={affected}") & (compared["arm"] == remedy)]
            numbers = line.iloc[0].to_dict() if len(line) else {}
            metric = metric_of(part, group)
            for name, (k, *_, edge) in {n: (*seeds, False)[:3] for n, seeds in had.items()}.items():
                here = [f.seeds[0] for f in found if f.point == point and f.name == name]
                rows.append(
                    {
                        "affected": affected,
                        "remedy": remedy,
                        "finding": name,
                        "had": k,
                        "has": math.nan if edge else here[0] if here else 0,
                        "n": int(runs["status"].isin(["done", "diverged"]).sum()),
                        "done": int((runs["status"] == "done").sum()),
                        "planned": len(runs),
                        "metric": metric,
                        "value": float(pd.to_numeric(paired_comparisons.finished_runs(runs)[metric]).mean()),
                        **{k: numbers.get(k, math.nan) for k in ("mean", "low", "high", "wins", "p_holm")},
                        "pairs": numbers.get("n", math.nan),
                        "verdict": numbers.get("verdict", ""),
                        "step_ratio": _ratio(runs, group[group["remedy"] == BEFORE]),
                    }
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def _ratio(runs: pd.DataFrame, before: pd.DataFrame) -> float:
    if "step_ms" not in runs or runs["step_ms"].isna().all() or before["step_ms"].isna().all():
        return math.nan
    return float(runs["step_ms"].mean() / before["step_ms"].mean())


def remedy_tables(frames: Frames) -> list[tuple[str, TerminalTable]]:
    """Returns a table for each affected point, with its title."""
    rows = remedy_effects(frames)
    out = []
    for affected, group in rows.groupby("affected", sort=False):
        names = list(dict.fromkeys(group["finding"]))
        unit = "excess" if group["metric"].iloc[0] == "test_excess" else "acc"
        heads = ("remedy", "found", f"test {unit}", "difference, 95 % interval", "step", "verdict")
        table = TerminalTable(heads, left=(0, 5), wrap=(1, 3, 5), whole=True)
        for remedy, lines in group.groupby("remedy", sort=False):
            first = lines.iloc[0]
            each = zip(lines["has"], lines["n"], strict=True)
            still = ", ".join("-" if math.isnan(k) else f"{int(k)}/{int(n)}" for k, n in each)
            broken = int(first["planned"] - first["done"])
            still += f", {broken} unfinished" if broken else ""
            step = "" if math.isnan(first["step_ratio"]) else f"{first['step_ratio']:.2f}x"
            difference = "" if math.isnan(first["mean"]) else f"{first['mean']:+z.3f}{_interval(first)}"
            value = "" if math.isnan(first["value"]) else f"{first['value']:.3f}"
            table.add_row(str(remedy), still, value, difference, step, str(first["verdict"]))
        out.append((f"{affected}: {', '.join(names)}{seeds_of(frames, str(affected))}", table))
    return out


def seeds_of(frames: Frames, affected: str) -> str:
    """Says on which seeds a finding was found and its remedies were compared; empty if that is not known."""
    found = frames.known.get("seeds", {}).get(affected, ())
    here = sorted(set(frames.runs.loc[frames.runs["affected"] == affected, "seed"]))
    return f" (found on seeds {format_seeds(found)}; compared on fresh seeds {format_seeds(here)})" if found else ""


def _interval(row: pd.Series) -> str:
    return "" if math.isnan(row["low"]) else f" [{row['low']:+z.3f}, {row['high']:+z.3f}]"


def describe_remedies(frames: Frames) -> list[str]:
    """Says for each finding which remedies removed it, and at what cost. Removed: all runs finished, none has it."""
    out = []
    rows = remedy_effects(frames)
    for (affected, name), group in rows.groupby(["affected", "finding"], sort=False):
        treated = group[group["remedy"] != BEFORE]
        removed = treated[(treated["has"] == 0) & (treated["done"] == treated["planned"])]
        what = f"{str(name).capitalize()} at {affected}"
        before = group[group["remedy"] == BEFORE]
        if len(before) and before["has"].iloc[0] == 0 and before["n"].iloc[0]:
            n = int(before["n"].iloc[0])
            out.append(
                f"{what}: not seen in the unchanged stack on any of {n} fresh seeds, so no remedy can be judged."
            )
            continue
        if treated["has"].isna().all():
            gains = [f"{r['remedy']} ({_gain(r)}{_cost(r['step_ratio'])})" for _, r in treated.iterrows()]
            out.append(f"{what}, the end of the values tried; beyond it: {'; '.join(gains)}.")
            continue
        if removed.empty:
            left = treated[(treated["done"] == treated["planned"]) & (treated["has"] < treated["had"])]
            left = left.sort_values("has").head(1)
            best = "".join(
                f"; least with {r['remedy']}, {int(r['has'])} of {int(r['n'])} seeds" for _, r in left.iterrows()
            )
            out.append(f"{what}: no remedy removed it in every seed{best}.")
            continue
        ways = [f"{r['remedy']} ({_gain(r)}{_cost(r['step_ratio'])})" for _, r in removed.iterrows()]
        out.append(f"{what}: removed in every seed by {'; '.join(ways)}.")
    return out


def _gain(row: pd.Series) -> str:
    what = "nats of excess loss" if row["metric"] == "test_excess" else "in test accuracy"
    return "" if math.isnan(row["mean"]) else f"{row['mean']:+z.3f} {what}, "


def _cost(ratio: float) -> str:
    return "time not measured" if math.isnan(ratio) else f"a step takes {ratio:.2f} times as long"
