"""Attacks on a run in words: the table of accuracies against budgets, what to think of it, and texts that flipped.

A report is what `stackcli.experiment.attack.run_attacks` returns.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from stackcli.analysis.attack_results import Row, describe_disagreement, find_shares, warn_of_masking
from stackcli.analysis.statistics import Interval
from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.wording import count_noun, quote_blanks

KINDS = {  # keeps_label, can be typed -> title of the table
    (True, True): "Changes that can be typed and keep the label",
    (False, True): "Changes that can be typed and may change the true label",
    (True, False): "Changes of vectors and positions, which cannot be typed",
}
UNITS = {"norm": "norm of what is added to the token vectors"}
IN_JSON = "a wider terminal or --json shows them"


def describe_attacks(report: Mapping[str, Any], examples: int) -> Iterator[RenderableType]:
    """Yields what is printed about the attacks on a run, with so many examples of each attack."""
    yield Text(describe_clean(report))
    for title, table in tabulate_attacks(report):
        yield Text(f"\n{title}")
        yield table
    yield Text("\n".join(remark_on_attacks(report)))
    shown = choose_examples(report, examples)
    if shown:
        yield Text("\nTexts that flipped, the changed words in brackets:")
    for record in shown:
        yield from describe_example(record, report["classes"])


def describe_clean(report: Mapping[str, Any]) -> str:
    """Says how many items are attacked, and the accuracy before."""
    clean = find_shares(report["rows"][0]).clean if report["rows"] else None
    accuracy = f"; clean accuracy {format_share(clean)}" if clean else ""
    skipped = report["items"] - report["right"]
    left = f", {count_noun(report['unwritable'], 'items')} left out that cannot be written" * bool(report["unwritable"])
    what = count_noun(report["items"], "texts" if report["typed_texts"] else "test items")
    return (
        f"run {report['run']}: {what}, {report['right']} answered rightly and "
        f"attacked, {skipped} skipped{left}{accuracy}"
    )


def format_share(found: Interval) -> str:
    """A share and its interval.

    >>> format_share(Interval(0.7, 0.397, 0.892, 10))
    '.700 [.40, .89]'
    """
    return f"{_short(found.mean, 3)} [{_short(found.low, 2)}, {_short(found.high, 2)}]"


def _short(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("0") if text.startswith("0.") else text


def kind_of(row: Row) -> tuple[bool, bool]:
    """Whether an attack keeps the label, and whether what it makes can be typed."""
    typed = row["changes"] in ("tokens", "letters")
    return (bool(row["keeps_label"]) or not typed, typed)


def tabulate_attacks(report: Mapping[str, Any], *, repeat: bool = False) -> list[tuple[str, TerminalTable]]:
    """Returns a table with its title for each kind of attack, a row for each attack and budget. repeat: whether each
    row names its attack."""
    out = []
    for kind, title in KINDS.items():
        rows = [row for row in report["rows"] if kind_of(row) == kind]
        if rows:
            out.append((title, tabulate_rows(rows, typed=kind[1], repeat=repeat)))
    return out


def tabulate_rows(rows: Sequence[Row], *, typed: bool, repeat: bool = False) -> TerminalTable:
    """A row for each attack and budget: accuracy after random changes and after the attack, the success rate over the
    items that were right, and queries."""
    last = "flipped\nitems, share" if typed else "flipped\nwhen typed"
    heads = ["attack", "budget", "after random\nchanges", "after the\nattack", last, "queries\nan item"]
    names = ("attack", "budget", "after random changes", "after the attack", "flipped", "queries")
    table = TerminalTable(heads, names=names, keys=2, drop=("queries", "flipped"), hint=IN_JSON)
    for name, group in groupby(rows, key=lambda row: str(row["attack"])):
        for number, row in enumerate(group):
            shares = find_shares(row)
            share = f" {format_share(shares.success)}" if typed else ""
            budget = "all" if row["budget"] is None else f"{row['budget']:g}"
            cells = format_share(shares.random), format_share(shares.attacked), f"{row['typed']}/{row['right']}{share}"
            table.add_row(name if repeat or not number else "", budget, *cells, f"{row['queries']:.0f}")
        table.add_section()
    return table


def remark_on_attacks(report: Mapping[str, Any]) -> list[str]:
    """Returns the sentences below the tables."""
    rows = report["rows"]
    units: dict[str, list[str]] = {}
    for row in rows:
        if row["budget"] is not None and row["attack"] not in units.get(row["unit"], []):
            units.setdefault(row["unit"], []).append(row["attack"])
    said = [
        "Budget: " + "; ".join(f"{UNITS.get(unit, unit)} ({', '.join(names)})" for unit, names in units.items()) + "."
    ]
    if any(row["changes"] == "vectors" for row in rows):
        said.append(
            f"For scale: all token vectors of an item together have a mean norm of {report['vector_norm']:.2f}."
        )
    said.append(
        "Brackets: 95 % Wilson intervals over items. An item that was wrong before is skipped and counts as wrong "
        "everywhere. Flipped: of the items that were right, those that a stack built afresh answers wrongly when the "
        "changed text is typed."
    )
    still = list(dict.fromkeys(row["attack"] for row in rows if row["still"] == row["right"]))
    if still:
        said.append(f"Every item is left as it is, so that nothing is measured: {', '.join(still)}.")
    said += describe_strongest(rows)
    said += warn_of_masking(rows)
    said.append(describe_disagreement(rows))
    return said


def describe_strongest(rows: Sequence[Row]) -> list[str]:
    """Names the attack that can be typed and flips the most items, and says whether random changes do as much."""
    typed = [row for row in rows if kind_of(row)[1]]
    if not typed:
        return []
    best = max(typed, key=lambda row: (int(row["typed"]), -float(row["budget"] or 0)))
    shares = find_shares(best)
    at = "" if best["budget"] is None else f" at budget {best['budget']:g}"
    if not best["typed"]:
        return ["No change that can be typed flips an item."]
    return [
        f"Of the changes that can be typed, {best['attack']}{at} flips the most: accuracy "
        f"{_short(shares.clean.mean, 3)} falls to {_short(shares.attacked.mean, 3)}; random changes of the same size "
        f"leave {_short(shares.random.mean, 3)}."
    ]


def choose_examples(report: Mapping[str, Any], count: int) -> list[Mapping[str, Any]]:
    """Returns so many texts that flipped for each attack that can be typed, at its smallest budget that flips one, the
    shortest texts first."""
    kinds = {row["attack"]: kind_of(row)[1] for row in report["rows"]}
    out = []
    for name, group in groupby(report["records"], key=lambda record: str(record["attack"])):
        flipped = [r for r in group if kinds.get(name) and r["typed"] != r["truth"]]
        least = min((r["budget"] or 0 for r in flipped), default=0)
        flipped = [r for r in flipped if (r["budget"] or 0) == least]
        out += sorted(flipped, key=lambda r: (len(r["before"]), r["item"]))[:count]
    return out


def describe_example(record: Mapping[str, Any], classes: Sequence[str]) -> Iterator[Text]:
    """Yields a text before and after an attack, each with its answer."""
    before, after = mark_changes(record["before"].split(" "), record["after"].split(" "))
    yield Text(name_example(record), style="bold")
    width = max(len(quote_blanks(classes[record[key]])) for key in ("label", "typed"))
    for parts, answer in ((before, record["label"]), (after, record["typed"])):
        line = Text(f"  {quote_blanks(classes[answer]):{width}}  ")
        for i, (word, changed) in enumerate(parts):
            line.append(" " * bool(i))
            line.append(f"[{word}]" if changed else word, style="bold" if changed else "")
        yield line


def name_example(record: Mapping[str, Any]) -> str:
    """The attack with its budget, and the item of the test part or the text that was typed."""
    at = "" if record["budget"] is None else f" {record['budget']:g}"
    number = record["item"]
    return f"{record['attack']}{at}, {f'item {number}' if number >= 0 else f'text {-number}'}"


def mark_changes(before: Sequence[str], after: Sequence[str]) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Returns the words of both texts, each with whether it differs from the other text; none is marked where most of
    them differ.

    >>> mark_changes(["a", "b", "c"], ["a", "x", "c"])[1]
    [('a', False), ('x', True), ('c', False)]
    """
    same = [set[int](), set[int]()]
    for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        same[0] |= set(range(block.a, block.a + block.size))
        same[1] |= set(range(block.b, block.b + block.size))
    if min(map(len, same)) * 2 < max(len(before), len(after)):
        same = [set(range(len(before))), set(range(len(after)))]
    first, second = ([(word, i not in kept) for i, word in enumerate(words)] for words, kept in
                     zip((before, after), same, strict=True))  # fmt: skip
    return first, second
