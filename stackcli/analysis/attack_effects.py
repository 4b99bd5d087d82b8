"""How easily the arms of a study are fooled: accuracy after each attack, and success rates paired by seed.

Two comparisons are tested for each choice of the other axes, and corrected as one family: the success rate of hotflip
at budget 3 and of shift at budget 5, which are declared here and not chosen by the results. The differences of the
other attacks are given with intervals alone.
"""

import math
from functools import lru_cache
from typing import Any

import pandas as pd

from stackcli.analysis import paired_comparisons
from stackcli.analysis.study_comparisons import name_value, split_runs
from stackcli.analysis.study_data import Frames
from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.wording import format_setting

TESTED = (("hotflip", 3.0), ("shift", 5.0))  # attack, budget
METRIC = "success"  # of an attack: items that it flips, as a share of those that were right
EACH_BUDGET = "hotflip"  # whose budgets all have a column
TITLE = "accuracy on the attacked items, before and after each attack at a budget"
CAPTION = "random: after random changes of as many words as hotflip"
HEADS = {  # attack -> head of a narrow column
    "hotflip": "hot-\nflip",
    "prefix": "pre-\nfix",
    "windows": "win-\ndows",
    "reversal": "rever-\nsal",
    "random": "ran-\ndom",
}


def attack_shares(frames: Frames) -> pd.DataFrame:
    """Returns `frames.attacks` with shares: `clean`, `random` and `accuracy` (over all items, before, after random
    changes and after the attack), `success` and `random_success` (over the items that were right), and `name`: the
    attack with its budget; empty where no run was attacked."""
    rows = frames.attacks
    if not len(rows):
        return pd.DataFrame()
    items, right = rows["items"].astype(float), rows["right"].astype(float)
    budgets = pd.to_numeric(rows["budget"])
    return rows.assign(
        budget=budgets,
        name=[name_attack(*pair) for pair in zip(rows["attack"], budgets, strict=True)],
        clean=right / items,
        random=(right - rows["control"]) / items,
        accuracy=(right - rows["flipped"]) / items,
        success=rows["flipped"] / right,
        random_success=rows["control"] / right,
    )


def name_attack(attack: str, budget: float) -> str:
    """Names an attack at a budget; NaN for an attack without one.

    >>> name_attack("hotflip", 3.0), name_attack("reversal", math.nan)
    ('hotflip 3', 'reversal')
    """
    return attack if math.isnan(budget) else f"{attack} {budget:g}"


def attack_names(shares: pd.DataFrame) -> list[str]:
    """Returns the attacks with their budgets, in the order in which they were run, each attack's budgets together."""
    first = list(dict.fromkeys(shares["attack"]))
    pairs = shares[["attack", "budget", "name"]].drop_duplicates("name")
    order = sorted(pairs.itertuples(index=False), key=lambda row: (first.index(row.attack), row.budget))
    return [str(row.name) for row in order]


def largest_budgets(shares: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of each attack at its largest budget."""
    most = shares.groupby("attack")["budget"].transform("max")
    return shares[(shares["budget"] == most) | most.isna()]


def run_shares(frames: Frames, column: str) -> pd.DataFrame:
    """Returns a row for each run of the study with a column for each attack and budget: its `column` of
    `attack_shares`, NaN in a run that was not attacked or without that attack."""
    shares = attack_shares(frames)
    keys = list(dict.fromkeys(["run", "arm", "point", "seed", "status", *frames.axes]))
    once = shares.drop_duplicates(["run", "name"])  # two arms may share a run
    wide = once.pivot(index="run", columns="name", values=column)
    return frames.runs[keys].merge(wide.reset_index(), on="run", how="left")


@lru_cache(maxsize=1)
def attack_differences(frames: Frames) -> pd.DataFrame:
    """Returns a row for each comparison of success rates with the first value of the first axis, paired by seed: where
    depth is that axis, of its largest value only. The columns of `paired_comparisons.compare`, with `where` (the other
    axes), `attack`, `budget`, `name` and `tested`; verdicts and p are corrected as one family for the rows that are
    tested, and empty for the others. Cached, as tables, sentences and files use it."""
    shares = attack_shares(frames)
    if shares.empty or not frames.axes:
        return pd.DataFrame()
    values = run_shares(frames, METRIC)
    pairs = {row.name: (row.attack, row.budget) for row in shares.drop_duplicates("name").itertuples(index=False)}
    names = sorted(attack_names(shares), key=lambda name: pairs[name] not in TESTED)
    found = []
    for where, group in split_runs(frames, values):
        for name in names:
            attack, budget = pairs[name]
            own = {"where": where, "attack": attack, "budget": budget, "name": name}
            found.append(_compare(frames, group, name).assign(**own, tested=(attack, budget) in TESTED))
    rows = pd.concat(found, ignore_index=True)
    if rows.empty:
        return rows
    tested, others = rows[rows["tested"]], rows[~rows["tested"]]
    family = paired_comparisons.pool_comparisons(tested)
    untested = others.assign(p=math.nan, p_holm=math.nan, verdict="", kind="")
    return pd.concat([table for table in (family, untested) if len(table)], ignore_index=True)


def _compare(frames: Frames, runs: pd.DataFrame, name: str) -> pd.DataFrame:
    axis = frames.axes[0]
    if axis == "depth":
        runs = runs[runs[axis].isin([runs[axis].min(), runs[axis].max()])].sort_values(axis, kind="stable")
    if runs[axis].nunique(dropna=False) < 2 or runs[name].isna().all():
        return pd.DataFrame()
    return paired_comparisons.compare(runs.assign(**{METRIC: runs[name]}), axis, METRIC)


def attack_table(frames: Frames) -> TerminalTable:
    """A row for each point: accuracy on the attacked items before, after hotflip at each budget and after random
    changes of the size of the largest, and after each other attack at its largest budget; means over seeds."""
    shares = attack_shares(frames)
    last = set(largest_budgets(shares)["name"])
    pairs = {row.name: (row.attack, row.budget) for row in shares.drop_duplicates("name").itertuples(index=False)}
    names = [name for name in attack_names(shares) if name in last or pairs[name][0] == EACH_BUDGET]
    columns = [("before", "before", "", "clean")]  # head, what it is called where it is left out, attack, share
    for name in names:
        attack, budget = pairs[name]
        columns.append((_head(attack, budget), name, name, "accuracy"))
        if attack == EACH_BUDGET and name in last:
            columns.append((_head("random", budget), f"random changes {budget:g}", name, "random"))
    axes = list(frames.axes)
    table = TerminalTable(
        [*axes, *(head for head, *_ in columns)],
        left=range(len(axes)),
        keys=max(1, len(axes)),
        names=[*axes, *(said for _, said, *_ in columns)],
        hint="a wider terminal or attacks.csv shows them",
        caption=CAPTION if any(attack == EACH_BUDGET for attack, _ in pairs.values()) else "",
    )
    for key, group in _points(frames, shares):
        cells = []
        for _, _, name, column in columns:
            own = group[group["name"] == name] if name else group
            cells.append(write_share(own.drop_duplicates("run")[column].mean() if len(own) else math.nan))
        table.add_row(*map(format_setting, key), *cells)
    return table


def _head(attack: str, budget: float) -> str:
    head = HEADS.get(attack, attack)
    return head if math.isnan(budget) else f"{head}\n{budget:g}"


def _points(frames: Frames, shares: pd.DataFrame) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Returns the values of the axes of each point, in the order of the study, with its rows."""
    axes = list(frames.axes)
    if not axes:
        return [((), shares)]
    found = []
    for key, group in frames.runs.groupby(axes, sort=False, dropna=False):
        own = shares[shares["point"].isin(group["point"])]
        found.append((key if isinstance(key, tuple) else (key,), own))
    return found


def write_share(value: float) -> str:
    """A share with two digits; a dash where it is not known.

    >>> write_share(0.256), write_share(1.0), write_share(math.nan)
    ('.26', '1.00', '-')
    """
    return "-" if math.isnan(value) else f"{value:z.2f}".replace("0.", ".", 1)


def comparison_table(frames: Frames) -> TerminalTable | None:
    """A row for each tested comparison with the first value of the first axis; None without any."""
    rows = attack_differences(frames)
    tested = rows[rows["tested"]].to_dict("records") if len(rows) else []
    if not tested:
        return None
    axis, others = frames.axes[0], ["where"] if any(row["where"] for row in tested) else []
    heads = [axis, *others, "flipped by", "difference,\n95 % interval", "fewer", "p Holm", "verdict"]
    text = (*range(len(others) + 2), len(heads) - 1)
    table = TerminalTable(
        heads,
        left=text,
        wrap=text,
        keys=len(others) + 2,
        drop=("p Holm", "fewer"),
        hint="a wider terminal or attack_differences.csv shows them",
    )
    for row in tested:
        known = row["n"] > 0
        interval = "" if math.isnan(row["low"]) else f" [{row['low']:+z.2f}, {row['high']:+z.2f}]"
        p = "" if math.isnan(row["p_holm"]) else f"{row['p_holm']:.3f}"
        arm = [format_setting(row["arm"]), *([row["where"]] if others else [])]
        gap = f"{row['mean']:+z.2f}{interval}" if known else "-"
        verdict, wins = row["verdict"].partition(",")[0], f"{row['wins']:.0f}/{row['n']:.0f}" if known else ""
        name = row["name"].replace(" ", "\N{NO-BREAK SPACE}")
        table.add_row(*arm, name, gap, wins, p, verdict)
    return table


def attack_tables(frames: Frames) -> list[tuple[str, TerminalTable]]:
    """The tables of a study whose runs were attacked, each with its title; none where none was."""
    if not len(frames.attacks):
        return []
    found = [(TITLE, attack_table(frames))]
    compared = comparison_table(frames)
    if compared is not None:
        first = name_value(frames.axes[0], attack_differences(frames)["baseline"].iloc[0])
        found.append((f"share of items flipped, against {first}, paired by seed (lower is better)", compared))
    return found
