"""Lists of parts, one for each layer: `attention.layers=window,window,full` and `pe.by_layer=rope,none`.

A list is repeated over the depth. A key of the group, such as `attention.reach`, goes to every part of the list that
has such a key.
"""

from collections.abc import Mapping
from typing import Any

from stackcli.common import registry
from stackcli.common.suggestions import suggest_nearest
from stackcli.config.settings import LISTED, Part


def listed_names(values: Mapping[str, tuple[Any, ...]], group: str) -> tuple[str, ...]:
    """The names in the lists that are given for a group, in order; none where there is no list."""
    lists = values.get(f"{group}.{LISTED[group]}", ()) if group in LISTED else ()
    return tuple(name for text in lists for name in str(text).split(","))


def check_listed(values: Mapping[str, tuple[Any, ...]]) -> list[str]:
    """What is wrong with the lists: names that no part has, and a part given beside a list that does not have it."""
    problems = []
    for group, own in LISTED.items():
        key, names = f"{group}.{own}", listed_names(values, group)
        known = registry.part_names(group)
        for name in dict.fromkeys(n for n in names if n not in known):
            offered = suggest_nearest(name, known, "choose from " + ", ".join(known))
            problems.append(f"{key}: {name}: no such choice{offered}")
        beside = values.get(group, ()) if names else ()
        if len(beside) > 1:
            problems.append(f"{group} cannot have several values beside {key}, which names the part of every layer")
        elif beside and not all(beside[0] in str(text).split(",") for text in values[key]):
            problems.append(f"{group}={beside[0]} is not in {key}={values[key][0]}; leave {group} out")
    return problems


def merge_parts(
    group: str, names: tuple[str, ...], parts: Mapping[str, Part], asked: Mapping[str, Any], wrong: list[str]
) -> Part:
    """The part that stands for a list: its name is that of layer 1, its keys are those of all. Where parts have a key
    with other defaults, and none is given, each keeps its own; what cannot be kept is added to `wrong`."""
    keys: dict[str, Any] = {}
    for key in dict.fromkeys(key for part in parts.values() for key, _ in part.keys):
        found = {name: part.options[key] for name, part in parts.items() if key in part.options}
        if len(set(map(repr, found.values()))) == 1:
            keys[key] = next(iter(found.values()))
        elif any(value != registry.keys_of(group, name)[key].default for name, value in found.items()):
            each = ", ".join(f"{value} for {name}" for name, value in found.items())
            wrong.append(f"{group}.{key} is {each}; give one value for all: {group}.{key}={next(iter(found.values()))}")
    return Part(name=names[0], keys=tuple(sorted({**keys, LISTED[group]: ",".join(names)}.items())))
