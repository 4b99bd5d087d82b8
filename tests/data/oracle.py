"""Helpers of the tests of tasks."""

from functools import cache
from typing import Any

from stackcli.common import registry
from stackcli.data.base import UNSCORED, Examples, Loaded


@cache
def load(name: str, **keys: Any) -> Loaded:
    return registry.build_part("data", name, **{"size": 60, **keys}).load()  # type: ignore[no-any-return]


def every_part(loaded: Loaded) -> list[Examples]:
    return [loaded.train, loaded.val, loaded.test, *(part for _, part in loaded.longer)]


def named(loaded: Loaded, part: Examples) -> list[tuple[list[str], list[str | None]]]:
    """Each sequence as the names of its tokens and of their targets."""
    return [
        ([loaded.vocab[t] for t in tokens], [None if c == UNSCORED else loaded.classes[c] for c in targets])
        for tokens, targets in zip(part.tokens, part.targets, strict=True)
    ]


def classed(loaded: Loaded, part: Examples) -> list[tuple[list[str], str]]:
    """Each sequence as the names of its tokens, and its class."""
    return [
        ([loaded.vocab[t] for t in tokens], loaded.classes[label])
        for tokens, label in zip(part.tokens, part.labels, strict=True)
    ]
