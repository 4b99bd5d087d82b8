"""Every setting with its default, what may be written for it, and what it means: the command `list settings`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt

from stackcli.common import registry
from stackcli.common.wording import format_setting
from stackcli.config.defaults import config_folder, default_settings, part_defaults
from stackcli.config.settings import GROUPS, LISTED, Config
from stackcli.config.text_values import text_keys
from stackcli.config.validation import choices_of, key_types

LINE = re.compile(r"(?P<key>[A-Za-z_]\w*):\s*(?P<value>.*?)(?:\s+#\s*(?P<help>.*))?$")
KINDS = {bool: "true, false", int: "a whole number", float: "a number", str: "text"}
LISTS = {
    "attention.layers": "kinds of layers 1, 2, ..., repeated over the depth; commas separate layers",
    "pe.by_layer": "encodings of layers 1, 2, ..., repeated over the depth; commas separate layers",
}


class Setting(NamedTuple):
    """A setting: the key that is typed, its default as typed, what may be written, its meaning in one line, and the
    parts that have it (none: every run has it)."""

    key: str
    default: str
    allowed: str
    help: str
    parts: tuple[str, ...] = ()


def every_setting() -> list[Setting]:
    """Returns the settings of a run and those of every part; a key that several parts of a group have is listed once.
    Builds no part, so a key of a part has the kind of its default and no range."""
    found = run_settings()
    for group in GROUPS:
        keys: dict[str, dict[str, Setting]] = {}
        for name in registry.part_names(group):
            if registry.built_in(group, name):
                for setting in part_settings(group, name):
                    keys.setdefault(setting.key, {})[name] = setting
        found.append(group_setting(group))
        found += [_merged(each) for each in keys.values()]
        found += _list_setting(group)
    return found


def settings_of(configs: Sequence[Config]) -> list[Setting]:
    """Returns the settings that apply with the parts of these configs, each with its range."""
    found = run_settings()
    for group in GROUPS:
        found.append(group_setting(group))
        for name in dict.fromkeys(name for config in configs for name in config.kinds(group)):
            known = registry.keys_of(group, name)
            for setting in part_settings(group, name):
                key = known.get(setting.key.partition(".")[2])
                found.append(setting._replace(allowed=describe_allowed(key.annotation)) if key else setting)
        found += _list_setting(group)
    return found


def run_settings() -> list[Setting]:
    """Returns the settings that are no keys of a part, as config.yaml has them."""
    flat, _ = default_settings(None)
    comments, types = (
        read_comments(config_folder() / "config.yaml"),
        {**key_types(), "seeds": Annotated[int, Ge(1), Le(10_000)]},
    )
    return [
        Setting(key, format_setting(value), describe_allowed(types[key]), comments.get(key, ""))
        for key, value in flat.items()
    ]


def group_setting(group: str) -> Setting:
    """Returns the setting that chooses a part."""
    _, chosen = default_settings(None)
    what = f"what each is: stackattn list {group}"
    return Setting(group, chosen[group], ", ".join(registry.part_names(group)), what)


def part_settings(group: str, name: str) -> list[Setting]:
    """Returns the keys of a part."""
    path = config_folder() / group / f"{name}.yaml"
    comments = read_comments(path) if path.is_file() else {}
    return [
        Setting(f"{group}.{key}", format_setting(value), _kind(group, key, value), comments.get(key, ""), (name,))
        for key, value in part_defaults(group, name).items()
    ]


def _kind(group: str, key: str, default: Any) -> str:
    """Says what may be written, from the default alone."""
    if isinstance(default, str) and f"{group}.{key}" not in text_keys():
        return "a word"
    return KINDS.get(type(default), "text")


def _list_setting(group: str) -> list[Setting]:
    key = f"{group}.{LISTED[group]}" if group in LISTED else ""
    return [Setting(key, "", "names of parts", LISTS[key])] if key else []


def _merged(each: Mapping[str, Setting]) -> Setting:
    """Joins the same key of several parts; where their defaults or meanings differ, the first is given."""
    first = next(iter(each.values()))
    defaults = {setting.default for setting in each.values()}
    default = first.default if len(defaults) == 1 else f"{first.default} ({first.parts[0]})"
    return first._replace(default=default, parts=tuple(each))


def read_comments(path: Path) -> dict[str, str]:
    """Returns the comment of each key of a YAML file of ours; an indented comment on the next line continues it."""
    out: dict[str, str] = {}
    last = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" ") and line.strip().startswith("#") and last:
            out[last] = f"{out[last]} {line.strip()[1:].strip()}".strip()
        elif match := LINE.match(line):
            last = match["key"]
            out[last] = match["help"] or ""
        else:
            last = ""
    return out


def describe_allowed(annotation: Any) -> str:
    """Says what may be written for a value of this type.

    >>> from typing import Literal
    >>> describe_allowed(Annotated[int, Ge(1), Le(9)]), describe_allowed(Literal["a", "b"])
    ('a whole number from 1 to 9', 'a, b')
    >>> describe_allowed(Annotated[float, Gt(0)])
    'a number, above 0'
    """
    if choices := choices_of(annotation):
        return ", ".join(choices)
    if get_origin(annotation) is Annotated:
        kind, *bounds = get_args(annotation)
        return f"{KINDS.get(kind, 'text')}{_describe_bounds(bounds)}"
    parts: Sequence[Any] = get_args(annotation) if get_origin(annotation) in (Union, type(int | str)) else ()
    return " or ".join(map(describe_allowed, parts)) if parts else KINDS.get(annotation, "text")


def _describe_bounds(bounds: Sequence[Any]) -> str:
    low = next((b for b in bounds if isinstance(b, Ge | Gt)), None)
    high = next((b for b in bounds if isinstance(b, Le | Lt)), None)
    if isinstance(low, Ge) and isinstance(high, Le):
        return f" from {_bound(low)} to {_bound(high)}"
    words = {Ge: "at least", Gt: "above", Le: "at most", Lt: "below"}
    return "".join(f", {words[type(bound)]} {_bound(bound)}" for bound in (low, high) if bound)


def _bound(bound: Any) -> str:
    value = next(getattr(bound, name) for name in ("ge", "gt", "le", "lt") if hasattr(bound, name))
    if isinstance(value, int):
        return f"2^{value.bit_length() - 1}" if value >= 2**53 else f"{value:,}"
    return f"{value:g}"
