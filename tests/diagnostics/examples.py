"""Shared by the tests of layers: trainings of a few steps, data sets of a few tokens, similarity by loops."""

import math
from typing import Any

import numpy as np
import torch

from stackcli.data.base import UNSCORED, Examples, Loaded
from stackcli.diagnostics import layer_statistics
from stackcli.model.build import build
from stackcli.model.stack import StackedAttention
from stackcli.training.loop import Training
from tests.factory import config

SMALL: dict[str, Any] = {"dim": 16, "heads": 2, "ff": 1.0, "batch": 8, "epochs": 2, "probes": False}


def training(loaded: Loaded, **changes: Any) -> Training:
    c = config(**{**SMALL, **changes})
    return Training(build(c, **loaded.sizes), loaded, c, layer_statistics)


def trained(loaded: Loaded, **changes: Any) -> Training:
    run = training(loaded, **changes)
    while not run.finished:
        run.advance()
    return run


PAIRS = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # signs of tokens 1 to 4


def same_or_not(repeats: int) -> Loaded:
    """Sequences that repeat one token one to three times. Their class says whether the two signs of the token's vector
    are equal, which no linear map of the vector can decide."""
    kinds = [(token, length) for token in (1, 2, 3, 4) for length in (1, 2, 3)] * repeats
    tokens, labels = tuple((t,) * n for t, n in kinds), tuple(int(t in (1, 4)) for t, _ in kinds)
    part = Examples(tokens, labels, ("",) * len(tokens))
    return Loaded(part, part, part, tuple("pabcd"), ("differ", "equal"), 3, False)


@torch.no_grad()
def set_by_hand(model: StackedAttention) -> dict[str, torch.Tensor]:
    """Sets the weights such that only the feed-forward map of block 2 gives an output: 4 if the signs are equal, else
    0. The numbers come in pairs of opposite sign, so that normalisation does not shift them. Returns the new state."""
    for parameter in model.parameters():
        parameter.fill_(1.0 if parameter.dim() == 1 else 0.0)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
    model.embedding.weight[1:5, :4] = torch.cat((PAIRS, -PAIRS), 1)
    feed = model.stack[1].feed
    assert feed is not None
    feed.ff1.weight[0, :2], feed.ff1.weight[1, :2] = 1.0, -1.0
    feed.ff2.weight[4, :2], feed.ff2.weight[5, :2] = 1.0, -1.0
    model.head.weight[1, 4], model.head.bias[0] = 1.0, 1.0
    return {name: value.clone() for name, value in model.state_dict().items()}


def two_questions(outputs: int) -> Loaded:
    """Labels every token but the first with its own identity and, except for token 4, with a second, random label."""
    draw = np.random.default_rng(0)

    def part(count: int) -> Examples:
        tokens, targets = [], []
        for _ in range(count):
            row = draw.integers(1, 5, draw.integers(2, 7)).tolist()
            noise = draw.integers(0, 4, len(row)).tolist()
            asked = [(t - 1, n if t != 4 else UNSCORED) for t, n in zip(row, noise, strict=True)]
            asked[0] = (UNSCORED, UNSCORED)
            tokens.append(tuple(row))
            targets.append(tuple(x for pair in asked for x in pair[:outputs]))
        return Examples(tuple(tokens), (), ("",) * count, tuple(targets))

    names = ("a", "b", "c", "d")
    return Loaded(part(60), part(20), part(40), ("pad", *names), names, 6, False, every=True, outputs=outputs)


def cka_by_loops(x: np.ndarray, y: np.ndarray) -> float:
    """Computes CKA from Gram matrices without their diagonal, with the terms of Song et al. 2012."""

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        n = len(a)
        pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
        k, m = np.zeros((n, n)), np.zeros((n, n))
        for i, j in pairs:
            k[i, j], m[i, j] = sum(a[i] * a[j]), sum(b[i] * b[j])
        trace = sum(k[i, j] * m[j, i] for i, j in pairs)
        chain = sum(k[i, j] * m[j, q] for i, j in pairs for q in range(n))
        return float((trace + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * chain / (n - 2)) / (n * (n - 3)))

    return hsic(x, y) / math.sqrt(hsic(x, x) * hsic(y, y))
