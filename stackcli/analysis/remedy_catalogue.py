"""Lists what to try against each finding: settings of this tool, in the order to try them. Imports no PyTorch."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

GOAL = 3e-3  # update over weight that a new learning rate aims at, as in our healthy runs
Row = Mapping[str, Any]  # a run's settings, by the name that a user types


class Remedy(NamedTuple):
    """Settings to change, as a user types them, and why."""

    words: tuple[str, ...]
    why: str


Tried = Iterator[tuple[tuple[str, ...], str]]
XIONG, NOCI = "Xiong et al. 2020", "Noci et al. 2022"


def remedies(finding: str, row: Row, value: float) -> Iterator[Remedy]:
    """Yields the remedies for a finding with this `value`, without those that a run with these settings already has."""
    yield from (Remedy(words, why) for words, why in CURES[finding](row, value))


def _joined(row: Row) -> Tried:
    """Yields other residual schemes, for a stack whose own does not pass the gradient back."""
    if row["residual"] in ("none", "post"):
        yield ("residual=pre",), f"an identity path through every block ({XIONG})"
    if row["residual"] == "post" and row["init"] in ("default", "xavier", "small", "orthogonal"):
        yield ("residual=deepnorm",), "a larger weight on the skip, smaller branches (Wang et al. 2022)"
    if row["residual"] == "post" and not row["share_layers"]:
        yield ("residual=admin",), "a skip weighted by the variance that it carries (Liu et al. 2020)"


def _normed(row: Row) -> Tried:
    """Yields normalisation for a stack that has none and whose residual scheme allows it."""
    if row["norm"] == "none" and row["residual"] != "rezero":
        words = ("norm=layer", "init=default") if row["init"] == "tfixup" else ("norm=layer",)
        yield words, "every branch gets an input of one size"


def _slower(row: Row) -> Tried:
    if row["warmup"] < 0.2:
        yield ("warmup=0.2",), f"small steps while the layers settle ({XIONG})"
    yield (f"lr={round_rate(row['lr'] / 3)}",), "smaller steps"


def _for_gradient(row: Row, value: float) -> Tried:
    yield from _normed(row)
    if value < 1:
        yield from _joined(row)
    else:
        if row["init"] not in ("small", "gpt2"):
            yield ("init=small",), "smaller attention maps (Nguyen and Salazar 2019)"
        if row["residual"] in ("none", "post", "pre"):
            yield ("residual=scaled",), f"branches divided by the root of their number ({NOCI})"
        if not row["clip"]:
            yield ("clip=1.0",), "a bound on the global gradient norm (Pascanu et al. 2013)"
    yield from _slower(row)


def _for_rank(row: Row, value: float) -> Tried:
    yield from _joined(row)
    yield from _slower(row)
    if row["residual"] == "pre":
        yield ("residual=scaled",), f"branches divided by the root of their number ({NOCI})"


def _for_attention(row: Row, value: float) -> Tried:
    yield from _slower(row)
    if row["init"] not in ("small", "gpt2"):
        yield ("init=small",), "smaller queries and keys (Nguyen and Salazar 2019)"
    if row["attention_dropout"] < 0.1:
        yield ("attention_dropout=0.1",), "no prediction can depend on one token alone"
    if row["weight_decay"] < 0.1:
        yield ("weight_decay=0.1",), "a bound on the growth of queries and keys"


def _for_starved(row: Row, value: float) -> Tried:
    if row["init"] != "default":
        yield ("init=default",), "random queries and keys: where both are zero, neither gets a gradient"
    if row["pe"] in ("none", "alibi", "conv"):
        yield ("pe=relative",), "positions make equal tokens differ"
    yield from _normed(row)
    yield from _joined(row)
    if row["residual"] == "pre":
        yield ("residual=scaled",), f"branches divided by the root of their number ({NOCI})"
    yield from _slower(row)


def _for_rate(row: Row, value: float) -> Tried:
    lr = row["lr"]
    if value <= 0:
        yield ("lr=0.001",), "at this rate no weight moves"
        return
    for factor in (GOAL / value, 3 * GOAL / value if value < GOAL else GOAL / value / 3):
        yield (f"lr={round_rate(lr * factor)}",), f"so that a step moves a weight by about {GOAL:g} of its size"
    if value < GOAL:
        yield _longer(row), "more steps at the same rate"
    elif row["warmup"] < 0.2:
        yield ("warmup=0.2",), "small steps while the layers settle"


def _for_divergence(row: Row, value: float) -> Tried:
    yield (f"lr={round_rate(min(row['lr'] / 10, 1e-3))}",), "smaller steps"
    if not row["clip"]:
        yield ("clip=1.0",), "a bound on the global gradient norm (Pascanu et al. 2013)"
    yield from _normed(row)
    yield from _joined(row)
    if row["warmup"] < 0.2:
        yield ("warmup=0.2",), "small steps while the layers settle"


def _longer(row: Row) -> tuple[str, ...]:
    return (f"steps={2 * int(row['steps'])}",) if row["steps"] else (f"epochs={2 * int(row['epochs'])}",)


def _for_underfit(row: Row, value: float) -> Tried:
    yield _longer(row), "more steps"
    yield (f"lr={round_rate(row['lr'] * 3)}",), "larger steps"
    if row["dropout"]:
        yield ("dropout=0.0",), "nothing is dropped"
    if not row.get("data.vectors"):  # word vectors fix the width
        yield (f"dim={2 * int(row['dim'])}",), "a wider stack"


def _for_overfit(row: Row, value: float) -> Tried:
    size = row.get("data.size")
    if size is not None and not pd.isna(size) and size:
        limited = row["data"] in ("subjects", "csv", "digits")  # 0: all items
        yield (f"data.size={0 if limited else 2 * int(size)}",), "more data"
    for key, least, why in (
        ("dropout", 0.3, "more noise in every branch"),
        ("weight_decay", 0.1, "a pull towards small weights"),
        ("attention_dropout", 0.1, "no prediction can depend on one token alone"),
    ):
        if row[key] < least:
            yield (f"{key}={least:g}",), why
    if row["depth"] > 1 and row["layer_drop"] < 0.2 and row["residual"] not in ("none", "sandwich"):
        yield ("layer_drop=0.2",), "no prediction can depend on one layer alone (stochastic depth)"
    if not row["patience"]:
        yield ("patience=2",), "stops where validation loss rises"
    if row["depth"] > 1 and not row["share_layers"] and row["residual"] != "admin":
        yield ("share_layers=true",), "one layer's weights for all"


def round_rate(value: float) -> str:
    """Rounds a learning rate to one digit, 1 or 3, and returns it as a user types it: 0.00042 -> 0.0003."""
    power = math.floor(math.log10(value))
    digit = min((1, 3, 10), key=lambda d: abs(math.log10(value / d) - power))
    return f"{float(f'{digit}e{power}'):g}"


CURES: dict[str, Callable[[Row, float], Tried]] = {
    "divergence": _for_divergence,
    "exploding gradient": _for_gradient,
    "vanishing gradient": _for_gradient,
    "rank collapse": _for_rank,
    "attention collapse": _for_attention,
    "starved queries and keys": _for_starved,
    "undertuned learning rate": _for_rate,
    "underfitting": _for_underfit,
    "overfitting": _for_overfit,
}
