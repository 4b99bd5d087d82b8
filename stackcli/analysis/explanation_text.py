"""An explanation in words: the coloured text, which tokens speak for the class, and which methods fail.

An explanation is the row that `stackcli.experiment.explain.Explanation.row` returns.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from stackcli.analysis import explanation_tables as tables
from stackcli.common.wording import quote_blanks

MAIN = ("cp_lrp", "attn_lrp", "integrated", "gradient", "occlusion")  # the first that was asked for colours the text
NAMED = 3  # tokens that the sentence names on each side
FOR, AGAINST = (38, 114, 190), (200, 70, 50)  # of a token that speaks for the class, and against it
FAINT = 0.1  # share of the strongest token below which a token is not named
INEXACT = 0.01  # largest error of a sum that should be exact


def describe_explanation(row: Mapping[str, Any], most: int = 0) -> Iterator[RenderableType]:
    """Yields what is printed about one text. most: tokens in the table, 0 for all."""
    shares = list(row["probability"].items())[:4]
    yield Text("  ".join(f"{quote_blanks(name)} {share:.3f}" for name, share in shares))
    if row["cut"]:
        yield Text(f"the run reads {len(row['tokens'])} tokens of this text and leaves {row['cut']} out")
    main = choose_method(row["methods"])
    if main is None:
        return
    scores = row["methods"][main]
    yield colour_tokens(row["tokens"], scores["tokens"], signed=scores["signed"])
    yield Text(describe_tokens(row["tokens"], scores["tokens"], row["explained"], main, signed=scores["signed"]))
    yield tables.tabulate_tokens(row, main, most)
    if 0 < most < len(row["tokens"]):
        yield Text(f"{most} of {len(row['tokens'])} tokens, those with the largest numbers of {main}; --tokens 0: all")
    yield tables.tabulate_methods(row)
    yield Text("control: a perfect and a random explanation of a bag of words whose weights are known.")
    yield from map(Text, describe_methods(row))
    if any(scores["sanity"] for scores in row["methods"].values()):
        yield tables.tabulate_sanity(row)
    if row["heads"]:
        yield tables.tabulate_layers(row)
    if row["lens"]:
        yield tables.tabulate_lens(row)


def describe_methods(row: Mapping[str, Any]) -> Iterator[str]:
    """Says from which baseline a method starts and how exact its sum is, and which methods fail on this text."""
    for name, scores in row["methods"].items():
        if scores["baseline"]:
            said = f"{name}: from the baseline {scores['baseline']}"
            said += f", {scores['points']} points" if scores["points"] else ""
            if scores["error"] is not None:
                said += f", sum {scores['error']:.1%} off"
                said += "" if scores["error"] <= INEXACT else " (more than 1 %, although no more points are allowed)"
            for other, value in scores["other_baseline"].items():
                value = "unknown" if value is None else f"{value:.2f}"
                said += f"; rank correlation with the numbers from the baseline {other}: {value}"
            yield f"{said}."
    failed = {name: found for name, scores in row["methods"].items() if (found := find_failures(scores))}
    if failed and row["spread"]:  # without a spread, as in a text of one token, all orders are alike
        yield "Fails on this text: " + "; ".join(f"{name} ({', '.join(why)})" for name, why in failed.items()) + "."


def find_failures(scores: Mapping[str, Any]) -> list[str]:
    """The scores by which a method says no more about the answer than a random explanation does."""
    found = []
    if scores["deletion"] >= 0:
        found.append("deletion no better than a random order")
    if scores["insertion"] <= 0:
        found.append("insertion no better than a random order")
    last = next(reversed(scores["sanity"].values()), None)
    if last is not None and last > tables.ALIKE:
        found.append("the same for an untrained stack")
    return found


def choose_method(methods: Mapping[str, Any]) -> str | None:
    """Returns the method that colours the text; None if there is none."""
    return next((name for name in MAIN if name in methods), next(iter(methods), None))


def colour_tokens(tokens: Sequence[str], scores: Sequence[float], *, signed: bool) -> Text:
    """Writes the tokens on a background whose strength is their share of the strongest."""
    strongest = max(map(abs, scores), default=0.0) or 1.0
    text = Text()
    for token, score in zip(tokens, scores, strict=True):
        share, colour = abs(score) / strongest, AGAINST if signed and score < 0 else FOR
        mixed = [round(255 + share * (c - 255)) for c in colour]
        ink = "white" if share > 0.6 else "black"
        text.append(f" {token} ", style=f"{ink} on rgb({mixed[0]},{mixed[1]},{mixed[2]})")
    return text


def describe_tokens(
    tokens: Sequence[str], scores: Sequence[float], explained: str, method: str, *, signed: bool
) -> str:
    """Says in a sentence which tokens speak for the class and which against it, by a method."""
    explained, strongest = quote_blanks(explained), max(map(abs, scores), default=0.0)
    order = sorted(range(len(tokens)), key=lambda i: -scores[i])
    clear = [i for i in order if abs(scores[i]) >= FAINT * strongest and strongest > 0]
    speakers = list(dict.fromkeys(tokens[i] for i in clear if scores[i] > 0))[:NAMED]
    others = list(dict.fromkeys(tokens[i] for i in reversed(clear) if scores[i] < 0))[:NAMED]
    verb, how = ("speak", "for") if signed else ("matter", "most for")
    if speakers:
        said = f"{join_words(speakers)} {verb}{'s' * (len(speakers) == 1)} {how} {explained}"
        said += f", {join_words(others)} against it" if others else ""
    elif others:
        said = f"{join_words(others)} {verb}{'s' * (len(others) == 1)} against {explained}"
    else:
        said = f"no token speaks for or against {explained}"
    return f"{said} ({method})."


def join_words(names: Sequence[str]) -> str:
    """Joins names in quotes: 'a', 'b' and 'c'."""
    quoted = [f"'{name}'" for name in names]
    return " and ".join(filter(None, [", ".join(quoted[:-1]), *quoted[-1:]]))
