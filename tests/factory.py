"""Small configs, models and data for tests."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from stackcli.config import defaults, grid
from stackcli.config.settings import GROUPS, Config, Part
from stackcli.data.base import Examples, Loaded
from stackcli.model.build import build
from stackcli.model.stack import StackedAttention

torch.set_num_threads(1)  # the default of a run; at these sizes more threads are slower


@cache
def default() -> Config:
    return grid.parse_grid(["seeds=1"]).configs[0]


def config(**changes: Any) -> Config:
    """The default config with changes; a part can be given by its name."""
    parts = {
        k: Part(name=v, keys=tuple(sorted(defaults.part_defaults(k, v).items()))) if isinstance(v, str) else v
        for k, v in changes.items()
        if k in GROUPS
    }
    return replace(default(), **{**changes, **parts})


def part(name: str, **keys: Any) -> Part:
    return Part(name=name, keys=tuple(sorted(keys.items())))


def stack(**changes: Any) -> StackedAttention:
    """A small model in float64 and eval mode."""
    small = {"dim": 16, "heads": 2, "ff": 2.0, "dropout": 0.0, **changes}
    return build(config(**small), vocab=30, classes=3, max_len=64).double().eval()


def tokens(batch: int = 3, length: int = 9, seed: int = 0) -> torch.Tensor:
    return torch.randint(1, 30, (batch, length), generator=torch.Generator().manual_seed(seed))


def padding(lengths: list[int], width: int) -> torch.Tensor:
    return torch.arange(width)[None] < torch.tensor(lengths)[:, None]


def tiny_data(n: int = 40, vocab: int = 20, classes: int = 3, length: int = 8) -> Loaded:
    """Random sequences of 1 to `length` tokens, one of them of `length`, with random classes, all of which occur."""
    draw = np.random.default_rng(1)

    def examples(count: int) -> Examples:
        sizes = [length, *draw.integers(1, length + 1, count - 1).tolist()]
        rows = tuple(tuple(draw.integers(1, vocab, size).tolist()) for size in sizes)
        labels = draw.permutation(np.arange(count) % classes)
        return Examples(rows, tuple(labels.tolist()), ("",) * count)

    names, kinds = tuple(map(str, range(vocab))), tuple(f"class {i}" for i in range(classes))
    return Loaded(examples(n), examples(n // 2), examples(n // 2), names, kinds, length, False)


def tiny(n: int = 80, length: int = 8) -> Loaded:
    """Random sequences whose class depends on their first token."""
    draw = np.random.default_rng(0)

    def examples(count: int) -> Examples:
        rows = tuple(tuple(map(int, draw.integers(1, 20, draw.integers(2, length + 1)))) for _ in range(count))
        return Examples(rows, tuple(r[0] % 3 for r in rows), ("",) * count)

    vocab = tuple(map(str, range(20)))
    return Loaded(examples(n), examples(20), examples(20), vocab, ("a", "b", "c"), length, False)
