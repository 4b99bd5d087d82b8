"""How easily the arms of a study are fooled, in sentences: what attacks do beside random changes, which arms are easier
to fool, signs of gradient masking, and what `check` predicts of shifts and reversals beside what is measured."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from stackcli.analysis import statistics
from stackcli.analysis.attack_effects import (
    EACH_BUDGET,
    attack_differences,
    attack_shares,
    largest_budgets,
    write_share,
)
from stackcli.analysis.study_comparisons import name_value
from stackcli.analysis.study_data import Frames
from stackcli.common.wording import count_noun, format_setting

MASKED = "Gradient masking suspected: "  # begins each warning
NAMED = 3  # points or arms that a sentence names
KINDS = {  # of verdicts -> what is said before the arms
    "worse": "Easier to fool than",
    "better": "Harder to fool than",
    "leaning worse": "Leaning easier to fool than",
    "leaning better": "Leaning harder to fool than",
    "open": "Not separated from",
    "few": "Too few seeds to tell from",
}
PREDICTED = {"shift": "a shift", "reversal": "a reversal"}
ENCODING = ("pe", "attention")  # axes that decide what is predicted


def attack_sentences(frames: Frames) -> list[str]:
    """Returns what is said about the attacks on the runs of a study; nothing where none was attacked."""
    shares = attack_shares(frames)
    if shares.empty:
        return []
    return [
        *describe_strength(frames, shares),
        *describe_verdicts(frames),
        *describe_weakness(shares),
        *describe_masking(shares),
        *describe_predictions(frames, shares),
        *describe_labels(shares),
    ]


def describe_strength(frames: Frames, shares: pd.DataFrame) -> list[str]:
    """Says for each data set what hotflip at its largest budget does, and random changes of the same size."""
    rows = largest_budgets(shares)
    rows = rows[rows["attack"] == EACH_BUDGET].drop_duplicates("run")
    if "data" not in frames.axes:
        return _strength(rows, "")
    named = rows.groupby("data", sort=False)
    return [text for name, own in named for text in _strength(own, f"With data={format_setting(name)}, ")]


def _strength(rows: pd.DataFrame, where: str) -> list[str]:
    if rows.empty:
        return []
    clean, random, left = (write_share(rows[column].mean()) for column in ("clean", "random", "accuracy"))
    over = f" (means over {count_noun(len(rows), 'runs')})" if len(rows) > 1 else ""
    return [
        f"{where}{EACH_BUDGET} with {rows['budget'].iloc[0]:g} changed words takes accuracy from {clean} to {left}, as "
        f"many random changes to {random}{over}."
    ]


def describe_verdicts(frames: Frames) -> list[str]:
    """Says which arms are easier or harder to fool than the first, by the tested attacks."""
    rows = attack_differences(frames)
    tested = rows[rows["tested"].astype(bool)] if len(rows) else rows
    out = []
    for kind, said in KINDS.items():
        own = [row for row in tested.to_dict("records") if kind_of(row) == kind]
        arms: dict[str, list[str]] = {}
        for row in own:
            where = f" ({row['where']})" if row["where"] else ""
            arms.setdefault(name_value(frames.axes[0], row["arm"]) + where, []).append(str(row["name"]))
        if arms:
            first = name_value(frames.axes[0], own[0]["baseline"])
            out.append(f"{said} {first}: {join_some([f'{arm} by {join(by)}' for arm, by in arms.items()])}.")
    count = int(tested["p_holm"].notna().sum()) if len(tested) else 0
    names = list(dict.fromkeys(tested["name"])) if count else []
    verb, tests = "is" if len(names) == 1 else "are", count_noun(count, "comparisons")
    said = f"Of the attacks, {join(names)} {verb} tested, as declared in advance: {tests}, Holm-corrected."
    return [*out, said] if count else out


def kind_of(row: Mapping[str, Any]) -> str:
    """The kind of the verdict on a comparison; few: the seeds are too few for any other."""
    return "few" if str(row["verdict"]).startswith("too few") else str(row["kind"])


def describe_weakness(shares: pd.DataFrame) -> list[str]:
    """Names the attacks that leave every item as it is, and those that flip no more than random changes do."""
    rows = largest_budgets(shares)
    idle = rows["still"] == rows["right"]
    out = []
    still = points_where(rows, lambda group: bool((group["still"] == group["right"]).all()))
    if still:
        out.append(f"Every item is left as it is, so that nothing is measured: {still}.")
    weak = points_where(rows[~idle], flips_no_more)
    if weak:
        out.append(f"Flips no more than random changes of the same size, as far as these seeds tell: {weak}.")
    return out


def flips_no_more(rows: pd.DataFrame) -> bool:
    """Whether an attack flips no more items than random changes: the 95 % interval of the difference over seeds does
    not lie above 0; of fewer than three seeds their mean does not."""
    found = statistics.interval(rows["success"] - rows["random_success"])
    return not (found.low if found.n >= statistics.LEAST else found.mean) > 0


def describe_masking(shares: pd.DataFrame) -> list[str]:
    """Says in how many runs the gradient seems to mislead the attacks that use it, with the first warning."""
    runs = shares.drop_duplicates("run")
    masked = runs[runs["masking"].astype(str) != ""]
    if masked.empty:
        return []
    first = masked.iloc[0]
    warning = str(first["masking"]).removeprefix(MASKED).split(MASKED)[0].strip()
    at = " ".join(filter(None, [str(first["point"]), f"seed={first['seed']}"]))
    return [
        f"Gradient masking suspected in {len(masked)} of {count_noun(len(runs), 'runs')}; at {at}: {warning} Such "
        "stacks may be easier to fool than attacks with gradients show."
    ]


def describe_predictions(frames: Frames, shares: pd.DataFrame) -> list[str]:
    """Says for shift and reversal what `check` predicts of the stacks, and how many answers changed."""
    out = []
    rows = largest_budgets(shares).drop_duplicates(["run", "attack"])
    for attack, said in PREDICTED.items():
        own = rows[(rows["attack"] == attack) & rows["predicted"].notna() & (rows["still"] < rows["right"])]
        names = name_stacks(frames, own)
        for changes, group in own.groupby(own["predicted"].astype(bool), sort=True):
            changed, asked = int(group["changed"].sum()), int((group["right"] - group["still"]).sum())
            measured = f"{changed:,} of {asked:,} answers changed"
            stacks = join_stacks(list(dict.fromkeys(names[group.index])))
            stacks = f" for {stacks}" if stacks else ""
            if not changes and changed:
                out.append(
                    f"check predicts that {said} changes nothing{stacks}, but {measured}: prediction and measurement "
                    "disagree."
                )
            elif not changes:
                out.append(f"check predicts that {said} changes nothing{stacks}; measured: {measured}.")
            else:
                small = "" if changed else ", as the change of the logits is too small"
                out.append(f"check predicts that {said} changes the logits{stacks}; measured: {measured}{small}.")
    return out


def name_stacks(frames: Frames, rows: pd.DataFrame) -> pd.Series:
    """Returns for each row the name of its stack: the values of the axes that decide what is predicted; of the whole
    point where these do not decide it; empty where the study has no such axis and all predictions are the same."""
    axes = [axis for axis in frames.axes if axis.split(".")[0] in ENCODING]
    texts = [
        " ".join(f"{a}={format_setting(v)}" for a, v in zip(axes, key, strict=True)) for key in rows_of(rows, axes)
    ]
    names = pd.Series(texts, index=rows.index, dtype=object)
    if len(rows) and (rows["predicted"].astype(bool).groupby(names).nunique() > 1).any():
        return rows["point"]
    return names


def rows_of(rows: pd.DataFrame, axes: Sequence[str]) -> list[tuple[Any, ...]]:
    """Returns the values of these columns, a tuple for each row."""
    return list(rows[list(axes)].itertuples(index=False, name=None)) if axes else [()] * len(rows)


def describe_labels(shares: pd.DataFrame) -> list[str]:
    """Says of which attacks the changed text may have another true class, and what counts where that is known."""
    names = list(dict.fromkeys(shares.loc[~shares["keeps_label"].astype(bool), "attack"]))
    if not names:
        return []
    known = bool((shares["flipped"] != shares["changed"]).any())
    counts = "; where the data know it, that class counts as right, and an answer that stays may be wrong" * known
    return [f"{join(names)} may change the true class{counts}."]


def points_where(rows: pd.DataFrame, holds: Callable[[pd.DataFrame], bool]) -> str:
    """Returns the attacks for which something holds, each with its points."""
    found: dict[str, list[str]] = {}
    points = rows["point"].nunique()
    for (attack, point), group in rows.groupby(["attack", "point"], sort=False):
        if holds(group):
            found.setdefault(str(attack), []).append(str(point))
    places: dict[str, list[str]] = {}
    for attack, names in found.items():
        named = "every point" if len(names) == points else join_some(names, sign=", ")
        places.setdefault("" if points == 1 else f" at {named}", []).append(attack)
    return "; ".join(join(attacks) + where for where, attacks in places.items())


def join_stacks(names: Sequence[str]) -> str:
    """Joins the names of stacks; the key of a single setting is written once: pe=relative, alibi."""
    parts = [name.split("=") for name in names]
    if len(names) > 1 and all(len(part) == 2 and part[0] == parts[0][0] for part in parts):
        return f"{parts[0][0]}={', '.join(value for _, value in parts)}"
    return join_some(names, NAMED * 2)


def join(names: Sequence[str]) -> str:
    """Joins names: a, b and c."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def join_some(names: Sequence[str], most: int = NAMED, sign: str = "; ") -> str:
    """Joins at most so many names, and says how many more there are."""
    more = f"{sign}and {len(names) - most} more" if len(names) > most else ""
    return sign.join(names[:most]) + more
