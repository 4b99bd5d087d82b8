"""Stacks built to have one fault each, and healthy ones: their settings, changes by hand, and expected findings."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import Any, NamedTuple

import pandas as pd
import torch

from stackcli.analysis.study_data import Frames
from stackcli.common import registry
from stackcli.config import grid
from stackcli.config.settings import Config, Part
from stackcli.data.base import Loaded
from stackcli.diagnostics import layer_statistics
from stackcli.model.build import build_for
from stackcli.model.stack import StackedAttention
from stackcli.training import baselines
from stackcli.training.loop import Training


class Case(NamedTuple):
    """`words`: the settings; `found`: the expected findings of every seed; `change`: applied to the initial stack."""

    words: str
    found: frozenset[str] = frozenset()
    change: Callable[[StackedAttention], None] = lambda stack: None


def sharp(stack: StackedAttention) -> None:
    """Makes queries and keys thirty times as large, so that every softmax is saturated from the start."""
    for block in stack.stack:
        block.attention.qkv.weight[: 2 * block.attention.qkv.in_features] *= 30


def swollen(stack: StackedAttention) -> None:
    """Makes the output of every branch twice as large."""
    for block in stack.stack:
        assert block.feed is not None
        block.attention.out.weight *= 2
        block.feed.ff2.weight *= 2


def zeroed(stack: StackedAttention) -> None:
    """Sets queries and keys to zero; as the gradient of each is a multiple of the other, both gradients are zero."""
    for block in stack.stack:
        width = 2 * block.attention.qkv.in_features
        block.attention.qkv.weight[:width] = 0
        block.attention.qkv.bias[:width] = 0


def faint(stack: StackedAttention) -> None:
    """Makes every matrix of the blocks a tenth as large, and freezes the biases, which would dominate otherwise."""
    for block in stack.stack:
        for parameter in block.parameters():
            if parameter.dim() == 2:
                parameter.mul_(0.1)
            else:
                parameter.requires_grad_(False)


SMALL = "dim=32 heads=2 ff=2 batch=32 label_smoothing=0 steps=96"
LAG = f"data=lag data.lags=1 data.train_len=12 data.size=1024 causal=true {SMALL}"
MAJORITY, ORDER = f"data=majority data.size=1024 {SMALL}", f"data=order data.size=1024 {SMALL}"
BARE = "norm=none residual=none"
CASES = {
    "healthy": Case(f"{MAJORITY} depth=2"),
    "healthy, eight blocks": Case(f"{MAJORITY} depth=8"),
    "healthy, post-LN": Case(f"{MAJORITY} depth=4 residual=post lr=0.003"),
    "healthy, sharp heads": Case(f"{LAG} depth=2 lr=0.003"),
    "healthy, a fifth of the labels wrong": Case(f"{MAJORITY} depth=2 data.noise=0.2"),
    "vanishing gradient": Case(f"{LAG} depth=3 {BARE} init=xavier", frozenset({"vanishing gradient"}), faint),
    "no skip": Case(f"{ORDER} depth=8 residual=none", frozenset({"vanishing gradient", "rank collapse"})),
    "exploding gradient": Case(f"{LAG} depth=8 norm=none init=xavier", frozenset({"exploding gradient"}), swollen),
    "rank collapse": Case(f"{ORDER} depth=3 {BARE} init=xavier", frozenset({"rank collapse"})),
    "attention collapse": Case(f"{ORDER} depth=2", frozenset({"attention collapse"}), sharp),
    "starved queries and keys": Case(f"{LAG} depth=2", frozenset({"starved queries and keys"}), zeroed),
    "overfitting": Case(
        f"data=majority data.size=64 data.noise=0.2 {SMALL} depth=2 lr=0.003", frozenset({"overfitting"})
    ),
    "underfitting": Case(f"{ORDER} depth=2 pe=none", frozenset({"underfitting"})),
    "rate too low": Case(f"{MAJORITY} depth=2 lr=1e-5", frozenset({"undertuned learning rate"})),
    "rate too high": Case(f"{MAJORITY} depth=2 lr=1", frozenset({"undertuned learning rate"})),
    "divergence": Case(
        f"{MAJORITY} depth=2 residual=pre norm=none lr=1e6 schedule=constant warmup=0",
        frozenset({"divergence"}),
    ),
}


@cache
def data(part: Part) -> tuple[Loaded, dict[str, Any]]:
    source = registry.build_part("data", part.name, **part.options)
    loaded = source.load()
    return loaded, asdict(baselines.facts(part.name, source.fingerprint(), loaded))


def trained(config: Config, change: Callable[[StackedAttention], None]) -> Training:
    loaded, _ = data(config.data)
    model = build_for(config, loaded)
    with torch.no_grad():
        change(model)
    training = Training(model, loaded, config, layer_statistics)
    while not training.finished:
        training.advance()
    return training


def frames(name: str, seeds: Sequence[int]) -> Frames:
    """Trains a case in this process, and returns it as a study of one point."""
    case, rows, curve, layers = CASES[name], [], [], []
    typed = tuple(case.words.split())
    first = grid.parse_grid([*typed, "seeds=1"]).configs[0]
    for seed in seeds:
        config = replace(first, seed=seed)
        training = trained(config, case.change)
        head = {"run": f"{name}/{seed}", "arm": "", "point": "", "seed": seed}
        rows.append({**head, **config.flat(), **asdict(training.result()), "facts": config.data.name})
        curve += [{**head, **asdict(row)} for row in training.curve]
        layers += [{**head, **asdict(row)} for row in training.layers]
    facts = {first.data.name: data(first.data)[1]}
    return Frames(
        study=name,
        command="sweep",
        axes=(),
        overrides=typed,
        runs=pd.DataFrame(rows),
        curve=pd.DataFrame(curve),
        layers=pd.DataFrame(layers),
        facts=facts,
    )
