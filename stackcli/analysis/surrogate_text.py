"""Surrogates in words: how faithful they are, the rules of the tree, the weights of the linear model.

A report is what `stackcli.experiment.surrogate.make_surrogates` returns.
"""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.wording import count_noun

WIDTH, INDENT = 80, 2
NAMED = 5  # words on each side of a class
UNITS = {"tree": "leaves", "linear": "words"}
NAMES = {"tree": "decision tree", "linear": "linear model"}


def describe_surrogates(report: Mapping[str, Any], width: int = WIDTH) -> Iterator[RenderableType]:
    """Yields what is printed about the surrogates of a run, for a terminal of `width` columns."""
    yield tabulate_shares(report)
    yield Text(explain_shares(report))
    for kind, found in report["surrogates"].items():
        if kind == "tree":
            yield Text("\n".join(["", f"The tree with {count_noun(found['size'], 'leaves', 'leaf')}:"]))
            yield Text("\n".join(describe_rules(found["rules"], report["unit"], width)))
        elif found["size"]:
            yield Text(f"\nThe linear model with {count_noun(found['size'], 'words')}, the largest weights:")
            yield tabulate_weights(found["weights"])
        else:
            yield Text("\nThe linear model has no words: none speaks for an answer.")


def tabulate_shares(report: Mapping[str, Any]) -> TerminalTable:
    """A row for each surrogate, the majority answer and the stack: fidelity and accuracy on the test part."""
    table = TerminalTable(
        ("", "fidelity", "95 % interval", "accuracy", "95 % interval"),
        names=("", "fidelity", "its interval", "accuracy", "interval of the accuracy"),
        drop=("interval of the accuracy", "its interval"),
        hint="a wider terminal or --json shows them",
    )
    for kind, found in report["surrogates"].items():
        name = f"{NAMES[kind]}, {found['size']} {UNITS[kind]}"
        table.add_row(name, *format_share(found["fidelity"]), *format_share(found["accuracy"]))
    always = report["majority"]
    table.add_row("majority answer", *format_share(always["fidelity"]), *format_share(always["accuracy"]))
    table.add_row("stack", "", "", *format_share(report["stack"]["accuracy"]))
    return table


def format_share(share: Mapping[str, float]) -> tuple[str, str]:
    """A share and its interval, as two cells of a table."""
    return f"  {share['mean']:.3f}", f"  {share['low']:.3f} to {share['high']:.3f}"


def explain_shares(report: Mapping[str, Any]) -> str:
    """Says what fidelity and accuracy are, and which surrogate is no more faithful than the majority answer."""
    texts, unit = report["texts"], f"{report['unit']}s"
    said = (
        f"Fitted to the answers of the stack to {texts['train']:,} training {unit}, measured on {texts['test']:,} test "
        f"{unit}. Fidelity: the surrogate answers what the stack answers; accuracy: it answers what is right. The "
        f"majority answer is always {report['majority']['answer']}."
    )
    always = report["majority"]["fidelity"]
    for kind, found in report["surrogates"].items():
        if found["fidelity"]["low"] <= always["mean"]:
            said += (
                f" The {NAMES[kind]} is not clearly more faithful than the majority answer: it does not say what the "
                "stack does."
            )
    return said


def describe_rules(rules: Sequence[Mapping[str, Any]], unit: str, width: int = WIDTH) -> Iterator[str]:
    """Yields the rules of a tree as an indented list, lines of at most `width` columns."""
    begun: set[int] = set()
    for rule in rules:
        level, word = rule["level"], rule["word"]
        begun = {n for n in begun if n <= level}
        start = "otherwise" if level in begun else ""
        condition = "" if word is None else f"if the {unit} has '{word}'"
        begun.add(level)
        lead = ", ".join(filter(None, [start, condition])) or f"every {unit}"
        end = "" if rule["answer"] is None else f" {rule['answer']} ({describe_leaf(rule, unit)})"
        room = max(20, width - INDENT * level)
        first, *more = wrap(f"{lead}:{end}", room - 2 * INDENT) or [""]
        yield " " * INDENT * level + first
        yield from (" " * INDENT * (level + 2) + line for line in more)


def describe_leaf(rule: Mapping[str, Any], unit: str) -> str:
    """Says for how many training texts of a rule the stack gives the answer."""
    return f"{100 * rule['share']:.0f} % of {count_noun(rule['texts'], f'training {unit}s')}"


def tabulate_weights(weights: Mapping[str, Sequence[tuple[str, float]]]) -> TerminalTable:
    """A row for each class: the words with the largest weights for and against it."""
    table = TerminalTable(("class", "for", "against"), left=range(3), wrap=range(3), whole=True)
    for name, row in weights.items():
        sides = [w for w in row if w[1] > 0][:NAMED], [w for w in reversed(row) if w[1] < 0][:NAMED]
        table.add_row(name, *(", ".join(f"{word} {x:+.1f}" for word, x in side) for side in sides))
    return table
