"""The numbers of attacks on a run: accuracies and success rates with intervals over items, and signs that an attack was
misled. A row holds the counts that `stackcli.experiment.attack.summarise_finding` returns for one attack at one budget.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from scipy import special

from stackcli.analysis.statistics import Interval, wilson
from stackcli.common.wording import count_noun

Row = Mapping[str, Any]
ALPHA = 0.05


class Shares(NamedTuple):
    """Shares with Wilson intervals. clean, random, attacked: accuracies over all items; an item that was wrong before
    is skipped and stays wrong. success: items that the attack flips, typed as text, as a share of those that were
    right. skipped: number of items that were wrong before."""

    clean: Interval
    random: Interval
    attacked: Interval
    success: Interval
    skipped: int


def find_shares(row: Row) -> Shares:
    """Returns the shares of one attack at one budget. Raises ValueError where no item was right before."""
    items, right = row["items"], row["right"]
    return Shares(
        clean=wilson(right, items),
        random=wilson(right - row["control"], items),
        attacked=wilson(right - row["flipped"], items),
        success=wilson(row["typed"], right),
        skipped=items - right,
    )


def more_flips(flips: str, others: str) -> bool:
    """Whether an attack flips more of the same items than another does, beyond chance: the exact binomial test of the
    items that only one of them flips (McNemar 1947), one-sided, p < .05. flips: 1 or 0 for each item."""
    more = sum(a > b for a, b in zip(flips, others, strict=True))
    fewer = sum(a < b for a, b in zip(flips, others, strict=True))
    return more > fewer and float(special.bdtrc(more - 1, more + fewer, 0.5)) < ALPHA


def warn_of_masking(rows: Sequence[Row]) -> list[str]:
    """Returns what is said where attacks that see gradients do worse than they should: the gradient is then misleading,
    and the stack is not robust; Athalye et al. 2018, arXiv:1802.00420, and Carlini et al. 2019, arXiv:1902.06705."""
    return [*_black_box(rows), *_more_steps(rows), *_larger_balls(rows), *_zero_gradients(rows)]


def _black_box(rows: Sequence[Row]) -> list[str]:
    """An attack without gradients, or a random change, flips more than one with gradients at the same budget."""
    found = []
    for row in (row for row in rows if row["gradients"]):
        at = f"{row['attack']} at {row['budget']:g}"
        if more_flips(row["control_flips"], row["flips"]):
            found.append(f"Gradient masking suspected: random changes flip more items than {at}.")
        for other in rows:
            alike = other["changes"] == row["changes"] == "tokens" and other["unit"] == row["unit"]
            blind = alike and not other["gradients"] and other["budget"] == row["budget"]
            if blind and more_flips(other["flips"], row["flips"]):
                found.append(
                    f"Gradient masking suspected: {other['attack']}, which sees no gradients, flips more items "
                    f"than {at}, {other['flipped']} against {row['flipped']}."
                )
    return found


def _more_steps(rows: Sequence[Row]) -> list[str]:
    """More steps on vectors flip less."""
    vectors = [row for row in rows if row["changes"] == "vectors"]
    found = []
    for few in vectors:
        for many in vectors:
            same = few["budget"] == many["budget"] and few["norm"] == many["norm"]
            if same and (few["steps"] or 1) < (many["steps"] or 1) and more_flips(few["flips"], many["flips"]):
                found.append(
                    f"Gradient masking suspected: {many['attack']} with {many['steps']} steps flips fewer items than "
                    f"{few['attack']} with {few['steps'] or 1} at {few['budget']:g}."
                )
    return found


def _larger_balls(rows: Sequence[Row]) -> list[str]:
    """A larger ball flips less."""
    found = []
    for name in dict.fromkeys(row["attack"] for row in rows if row["changes"] == "vectors"):
        own = sorted((row for row in rows if row["attack"] == name), key=lambda row: float(row["budget"]))
        found += [
            f"Gradient masking suspected: {name} at {large['budget']:g} flips fewer items than at {small['budget']:g}."
            for small, large in pairwise(own)
            if more_flips(small["flips"], large["flips"])
        ]
    return found


def _zero_gradients(rows: Sequence[Row]) -> list[str]:
    """Texts whose gradient is 0, where an attack on vectors has no direction."""
    worst: dict[str, Row] = {}
    for row in rows:
        if row["unmoved"] > worst.get(row["attack"], {"unmoved": 0})["unmoved"]:
            worst[row["attack"]] = row
    return [
        f"Gradient masking suspected: the gradient is 0 for {row['unmoved']} of {count_noun(row['right'], 'items')}, "
        f"which {name} so leaves as they are; {name}.of=margin attacks them."
        for name, row in worst.items()
    ]


def describe_disagreement(rows: Sequence[Row]) -> str:
    """Says whether the stack that was built afresh from the stored weights gives the answers that the attacks saw."""
    asked = sum(row["right"] for row in rows)
    wrong = sum(row["disagree"] for row in rows)
    if not wrong:
        return f"A stack built afresh gives the same answers to all {asked:,} saved inputs."
    worst = max(rows, key=lambda row: int(row["disagree"]))
    return (
        f"A stack built afresh answers {wrong} of {asked:,} saved inputs otherwise than the attack saw, most of "
        f"{worst['attack']}; the table counts what it answers."
    )
