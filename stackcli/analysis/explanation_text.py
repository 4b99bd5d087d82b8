"""An explanation in words and tables: the coloured text, a sentence, the numbers of each token, method and layer.

An explanation is the row that `stackcli.experiment.explain.Explanation.row` returns.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

MAIN = ("cp_lrp", "attn_lrp", "integrated", "gradient", "occlusion")  # the first that was asked for colours the text
NAMED = 3  # tokens that the sentence names on each side
FOR, AGAINST = (38, 114, 190), (200, 70, 50)  # of a token that speaks for the class, and against it
FAINT = 0.1  # share of the strongest token below which a token is not named
HEADS = ("words", "posi-\ntions", "sum\nerror", "dele-\ntion", "inser-\ntion", "compre-\nhensive", "suffi-\ncient")
SHORT = {
    "attention": "att.",
    "attn_lrp": "attn lrp",
    "cp_lrp": "cp lrp",
    "gradient": "grad. x in",
    "gradient_rollout": "grad. roll",
    "integrated": "integr. grad",
    "occlusion": "occl.",
    "rollout": "rollout",
    "value_zeroing": "value zero",
}


def describe_explanation(row: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yields what is printed about one text."""
    shares = list(row["probability"].items())[:4]
    yield Text("  ".join(f"{name} {share:.3f}" for name, share in shares))
    if row["cut"]:
        yield Text(f"the run reads {len(row['tokens'])} tokens of this text and leaves {row['cut']} out")
    main = choose_method(row["methods"])
    if main is not None:
        scores = row["methods"][main]
        yield colour_tokens(row["tokens"], scores["tokens"], signed=scores["signed"])
        yield Text(describe_tokens(row["tokens"], scores["tokens"], row["explained"], main, signed=scores["signed"]))
    yield tabulate_tokens(row)
    yield tabulate_methods(row)
    if row["heads"]:
        yield tabulate_layers(row)


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
    strongest = max(map(abs, scores), default=0.0)
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


def tabulate_tokens(row: Mapping[str, Any]) -> Table:
    """A row for each token, a column for each method; in the head of a column what its numbers are."""
    out = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    out.add_column("token", overflow="fold", max_width=14)
    for name in row["methods"]:
        out.add_column(Text(SHORT.get(name, name).replace(" ", "\n", 1)), justify="right", no_wrap=True)
    for i, token in enumerate(row["tokens"]):
        out.add_row(Text(token), *(format_score(scores["tokens"][i]) for scores in row["methods"].values()))
    return out


def tabulate_methods(row: Mapping[str, Any]) -> Table:
    """A row for each method: the parts of words and of positions, the error of its sum, and how faithful it is."""
    out = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    out.add_column("method")
    for head in HEADS:
        out.add_column(head, justify="right", no_wrap=True)
    for name, scores in row["methods"].items():
        positions = "" if scores["positions"] is None else format_score(math.fsum(scores["positions"]))
        words = format_score(math.fsum(scores["words"]))
        error = "" if scores["error"] is None else f"{scores['error']:.1%}"
        faith = (scores[key] for key in ("deletion", "insertion", "comprehensiveness", "sufficiency"))
        out.add_row(name, words, positions, error, *map(format_score, faith))
    return out


def tabulate_layers(row: Mapping[str, Any]) -> Table:
    """A row for each layer: what its heads look at, each number the mean over the heads."""
    out = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for head in ("layer", "distance\n(tokens)", "entropy\n(nats)", "on first\ntoken", "on\npadding"):
        out.add_column(head, justify="right", no_wrap=True)
    for layer, heads in groupby(row["heads"], key=lambda look: look["layer"]):
        looks = list(heads)
        means = (fmean(look[key] for look in looks) for key in ("distance", "entropy", "first", "padding"))
        out.add_row(str(layer), *map(format_score, means))
    return out


def format_score(value: float) -> str:
    """Two digits behind the point, and no minus before a zero."""
    return f"{value:.2f}" if abs(value) >= 0.005 else "0"
