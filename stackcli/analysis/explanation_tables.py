"""The tables of an explanation: the numbers of each token, method, layer and head.

An explanation is the row that `stackcli.experiment.explain.Explanation.row` returns.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any

from stackcli.analysis.terminal_table import TerminalTable
from stackcli.common.wording import quote_blanks

HEADS = (
    "words",
    "posi-\ntions",
    "sum\noff",
    "dele-\ntion",
    "inser-\ntion",
    "compre-\nhensive",
    "suffi-\ncient",
    "agree-\nment",
)
FAITHFULNESS = ("deletion", "insertion", "comprehensiveness", "sufficiency", "agreement")
SHORT = {
    "attention": "att.",
    "attn_lrp": "attn lrp",
    "cp_lrp": "cp lrp",
    "gradient": "grad. x in",
    "gradient_rollout": "grad. roll",
    "integrated": "int. grad",
    "occlusion": "occl.",
    "rollout": "roll- out",
    "value_zeroing": "value zero",
}
ALIKE = 0.5  # rank correlation with the numbers of an untrained stack from which on a method fails
STAGES = 7  # layers of the table of randomised weights
IN_JSON = "a wider terminal or --json shows them"
READ = 8  # layers of the table of what the classifier reads off


def short_name(method: str) -> str:
    """The name of a method as the head of a narrow column."""
    return SHORT.get(method, method).replace(" ", "\n", 1)


def tabulate_tokens(row: Mapping[str, Any], main: str, most: int = 0) -> TerminalTable:
    """A row for each token, a column for each method. Of more than `most` tokens those with the largest numbers of the
    method `main` are shown, in the order of the text."""
    tokens, strongest = row["tokens"], row["methods"][main]["tokens"]
    order = sorted(range(len(tokens)), key=lambda i: -abs(strongest[i]))
    shown = sorted(order[: most or None])
    names = ("token", *row["methods"])
    out = TerminalTable(["token", *map(short_name, row["methods"])], names=names, hint=IN_JSON)
    digits = {name: count_digits(scores["tokens"]) for name, scores in row["methods"].items()}
    for i in shown:
        cells = (format_score(scores["tokens"][i], digits[name]) for name, scores in row["methods"].items())
        out.add_row(quote_blanks(tokens[i]), *cells)
    return out


def tabulate_methods(row: Mapping[str, Any]) -> TerminalTable:
    """A row for each method: the parts of words and of positions, the error of its sum, how faithful it is and how far
    it agrees with the others. Then a perfect and a random explanation of a model whose truth is known."""
    out = TerminalTable(["method", *HEADS], hint=IN_JSON)
    for name, scores in row["methods"].items():
        positions = "" if scores["positions"] is None else format_score(math.fsum(scores["positions"]))
        words = format_score(math.fsum(scores["words"]))
        error = "" if scores["error"] is None else f"{scores['error']:.1%}"
        out.add_row(name, words, positions, error, *(format_score(scores[key]) for key in FAITHFULNESS))
    out.add_section()
    for name, scores in row["controls"].items():
        out.add_row(f"control: {name}", "", "", "", *(format_score(scores[key]) for key in FAITHFULNESS))
    return out


def tabulate_sanity(row: Mapping[str, Any]) -> TerminalTable:
    """A row for each method: rank correlation of its numbers with those after the weights were replaced by fresh ones,
    from the classifier down to each layer; at most STAGES layers, evenly chosen."""
    stages = list(next(iter(row["methods"].values()))["sanity"])
    last = len(stages) - 1
    chosen = list(dict.fromkeys(stages[round(i * last / (STAGES - 1))] for i in range(STAGES)))
    out = TerminalTable(["fresh from the top to", *(stage.replace(" ", "\n") for stage in chosen)], hint=IN_JSON)
    for name, scores in row["methods"].items():
        out.add_row(name, *(format_score(scores["sanity"][stage]) for stage in chosen))
    out.add_section()
    for name, scores in row["controls"].items():
        out.add_row(f"control: {name}", *[""] * (len(chosen) - 1), format_score(scores["sanity"]))
    return out


def tabulate_layers(row: Mapping[str, Any]) -> TerminalTable:
    """A row for each layer: what its heads look at, each number the mean over the heads; for each head the offset with
    the largest share of its attention."""
    columns = ("layer", "distance\n(tokens)", "entropy\n(nats)", "on first\ntoken", "on\npadding")
    last = " offset that each head\n looks at most, share"
    out = TerminalTable((*columns, last), left=(5,), wrap=(5,), hint=IN_JSON)
    for layer, heads in groupby(row["heads"], key=lambda look: look["layer"]):
        looks = list(heads)
        means = (fmean(look[key] for look in looks) for key in ("distance", "entropy", "first", "padding"))
        out.add_row(str(layer), *map(format_score, means), " " + "  ".join(name_offsets(look) for look in looks))
    return out


def tabulate_lens(row: Mapping[str, Any]) -> TerminalTable:
    """A row for each layer: the class that the stack's classifier finds most probable after it, its probability, and
    that of the class that is explained; at most READ layers, evenly chosen."""
    last = len(row["lens"]) - 1
    chosen = dict.fromkeys(round(i * last / (READ - 1)) for i in range(READ))
    heads = ["read off\nafter layer", "most\nprobable", "proba-\nbility", f"that of\n{quote_blanks(row['explained'])}"]
    out = TerminalTable(heads, left=(1,), wrap=(1, 3), hint=IN_JSON)
    for layer in chosen:
        shares = row["lens"][layer]
        best = max(shares, key=shares.__getitem__)
        out.add_row(str(layer), quote_blanks(best), *(f"{shares[name]:.3f}" for name in (best, row["explained"])))
    return out


def name_offsets(look: Mapping[str, Any]) -> str:
    """The offset that a head looks at most and its share, without a place to break the line: -1 .52."""
    shares: Sequence[float] = look["offsets"]
    best = max(range(len(shares)), key=shares.__getitem__)
    offset = best - len(shares) // 2
    return (
        f"{offset:+d}" * bool(offset) + "0" * (not offset) + f"\N{NO-BREAK SPACE}{shares[best]:.2f}".replace("0.", ".")
    )


def count_digits(values: Sequence[float]) -> int:
    """Digits behind the point, 2 to 4, with which the largest of some numbers has two that are not 0."""
    largest = max(map(abs, values), default=0.0)
    return 2 if largest == 0 else min(4, max(2, 1 - math.floor(math.log10(largest))))


def format_score(value: float | None, digits: int = 2) -> str:
    """A number with some digits behind the point, no minus before a zero; a bar for one that is not defined."""
    return "-" if value is None else f"{value:.{digits}f}" if abs(value) >= 0.5 * 10**-digits else "0"
