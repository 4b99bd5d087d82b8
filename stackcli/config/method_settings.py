"""The methods of a group that a command uses, with the keys that were typed: integrated.steps=64, hotflip.beam=8."""

from collections.abc import Sequence
from typing import Any

from stackcli.common import registry
from stackcli.common.suggestions import suggest_nearest
from stackcli.config.defaults import is_whole_for_decimal, part_defaults
from stackcli.config.validation import find_problems
from stackcli.config.yaml_files import UsageError

NAMES = {  # group -> what one and several of its parts are called, and a key
    "explain": ("a method", "methods", "integrated.steps=64"),
    "attack": ("an attack", "attacks", "hotflip.beam=8"),
    "launcher": ("a launcher", "launchers", "ray.address=auto"),
    "tracker": ("a tracker", "trackers", "wandb.project=depth"),
}


def method_settings(
    names: Sequence[str], words: Sequence[str] = (), group: str = "explain"
) -> dict[str, dict[str, Any]]:
    """Returns the keys of each method of a group with their values. Raises UsageError for a method, a key or a value
    that there is not, and for a key of a method that is not used."""
    known = registry.part_names(group)
    for name in names:
        if name not in known:
            offered = suggest_nearest(name, known, "choose from " + ", ".join(known))
            raise UsageError([f"{group}={name}: no such choice{offered}"])
    found = {name: dict(part_defaults(group, name)) for name in names}
    problems = [text for word in words for text in _set_key(found, word, group)]
    if problems:
        raise UsageError(problems)
    return found


def _set_key(found: dict[str, dict[str, Any]], word: str, group: str) -> list[str]:
    """Sets the key that a word names; returns what is wrong with it."""
    from stackcli.config.overrides import parse_override

    axis = parse_override(word)
    method, _, key = axis.key.partition(".")
    if method not in found:
        kind, many, example = NAMES[group]
        return [f"{word}: keys are those of {kind}, such as {example}; the {many} used are {', '.join(found)}"]
    keys = registry.keys_of(group, method)
    if key not in keys:
        has = f"its keys: {', '.join(keys)}" if keys else "it has no keys"
        return [f"{word}: {group}={method} has no key {key!r}{suggest_nearest(key, keys, has)}"]
    if len(axis.values) > 1:
        return [f"{word}: one value is used at a time"]
    value: Any = axis.values[0]
    value = float(value) if is_whole_for_decimal(value, keys[key].default) else value
    found[method][key] = value
    return find_problems({key: value}, {key: keys[key].annotation}, f"{method}.")
