"""Types and ranges of settings, said in words: what was given, what is allowed, what to type."""

import os
from collections.abc import Iterable, Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from stackcli.common import registry
from stackcli.config.settings import GROUPS, Config

BYTES_A_WEIGHT = 16  # weight, gradient and two moments of Adam, 4 bytes each
TOKENS = 16  # of a sequence, at least, where the memory of a stack is estimated


@cache
def key_types() -> dict[str, Any]:
    from typing import get_type_hints

    return {k: a for k, a in get_type_hints(Config, include_extras=True).items() if k not in GROUPS}


def is_float(key: str) -> bool:
    annotation = key_types()[key]
    return getattr(annotation, "__origin__", annotation) is float


def check_values(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is out of type or range among the settings of each row, in words."""
    return [problem for row in rows for problem in find_problems(row, key_types())]


def find_problems(values: Mapping[str, Any], annotations: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Each value that does not fit its annotation, in words: one problem a key, named with `prefix` before it. A whole
    number fits where a decimal one is meant; nothing else is converted."""
    from pydantic import ValidationError

    try:
        _validator(tuple(annotations.items())).validate_python(dict(values))
    except ValidationError as error:
        first = {e["loc"][0]: e for e in reversed(error.errors())}
        return [
            f"{prefix}{key}={format_value(values[key])}: {_reason(first[key], annotations[key])}"
            for key in values
            if key in first
        ]
    return []


@cache
def _validator(annotations: tuple[tuple[str, Any], ...]) -> Any:
    """The pydantic model of these keys, each of which may be left out. It is a TypedDict: a part may have a key called
    like a method of pydantic's other models, such as `copy`."""
    import typing_extensions
    from pydantic import ConfigDict, TypeAdapter

    make: Any = typing_extensions.TypedDict
    settings = make("Settings", dict(annotations), total=False)
    settings.__pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")
    return TypeAdapter(settings)


def _reason(error: Any, annotation: Any) -> str:
    context = error.get("ctx", {})
    words = {"greater_than_equal": ("ge", "must be at least"), "greater_than": ("gt", "must be above")}
    words |= {"less_than_equal": ("le", "must be at most"), "less_than": ("lt", "must be below")}
    if error["type"] in words:
        bound, text = words[error["type"]]
        limit = context[bound]
        return f"{text} {limit:g}" if abs(limit) < 1e15 else f"{text} 2^63"
    if annotation is not bool and (choices := choices_of(annotation)):
        return f"choose from {', '.join(choices)}"
    if error["type"] == "finite_number":
        return "must be a finite number"
    several = getattr(annotation, "__args__", ()) if not hasattr(annotation, "__metadata__") else ()
    if several and any(hasattr(choice, "__metadata__") for choice in several):  # a number, or a word
        named = [w for choice in several for w in getattr(choice, "__args__", ()) if isinstance(w, str)]
        return f"must be a number in its range, or {', '.join(named)}"
    kind = getattr(annotation, "__origin__", annotation)
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text; quote it with '...'"}
    return f"must be {names.get(kind, str(kind))}"


def choices_of(annotation: Any) -> tuple[str, ...]:
    """What may be written for a value of this type, where that is a choice; else nothing.

    >>> choices_of(bool | Literal["auto"])
    ('true', 'false', 'auto')
    """
    if annotation is bool:
        return ("true", "false")
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        each = [choices_of(choice) for choice in get_args(annotation)]
        return tuple(word for words in each for word in words) if all(each) else ()
    return ()


def format_value(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def check_together(plain: Mapping[str, Any]) -> list[str]:
    """Sizes that do not fit together, or into the memory of this machine."""
    dim, heads, depth = plain["dim"], plain["heads"], plain["depth"]
    if dim % heads:
        near = sorted({max(1, dim // heads) * heads, (dim // heads + 1) * heads})
        fits = [h for h in range(1, min(dim, 64) + 1) if dim % h == 0]
        offer = f"dim={' or dim='.join(map(str, near))}, or heads={', '.join(map(str, fits))}"
        return [f"dim={dim} is not divisible by heads={heads}; try {offer}"]
    need = stack_bytes(plain, TOKENS)
    there = machine_memory()
    if there and need > there:
        what = f"depth={depth} dim={dim} ff={plain['ff']:g}"
        needs = f"{need / 2**30:,.0f} GiB for weights, optimiser and activations"
        return [f"{what}: needs about {needs}, this machine has {there / 2**30:.0f}"]
    return []


def stack_bytes(plain: Mapping[str, Any], tokens: int) -> float:
    """Roughly what a stack holds in training on sequences of so many tokens: weights with their gradients and moments,
    and what each block keeps for the backward pass."""
    dim, kept = plain["dim"], plain["batch"] * tokens * plain["dim"] * (10 + 2 * plain["ff"]) * 4
    return float(plain["depth"] * ((4 + 2 * plain["ff"]) * dim**2 * BYTES_A_WEIGHT + kept))


def attention_bytes(config: Config, tokens: int, scores: int | None = None) -> int:
    """Scores and attention weights of all blocks in training, for a batch of sequences of so many tokens; float32.
    `scores`: how many all blocks compute for a sequence and head, tokens squared in each unless given."""
    return config.batch * config.heads * (config.depth * tokens**2 if scores is None else scores) * 2 * 4


def longest_input(config: Config) -> int:
    """The longest sequence in training that the config's data promise, in tokens; 128 where they promise none. Raises
    ValueError for options that the data refuse."""
    return int(registry.build_part("data", config.data.name, **config.data.options).longest_input())


def runs_at_once(configs: Iterable[Config], cores: int, most: int | None = None) -> int:
    """What `-j 0` means: the cores divided by the threads of a run in all its processes, and no more than `most`; at
    least 1."""
    found = cores // max((c.threads * c.devices for c in configs), default=1)
    return max(1, found if most is None else min(found, most))


def in_words(size: float) -> str:
    """Bytes as MiB or GiB.

    >>> in_words(3 * 2**30)
    '3.0 GiB'
    """
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.1f} MiB"


def machine_memory() -> int | None:
    """Bytes of this machine; None where that is not known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
