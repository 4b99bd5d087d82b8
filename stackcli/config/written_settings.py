"""Values of Python -> the words in which a command takes them."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from stackcli.config.overrides import parse_override
from stackcli.config.settings import LIST_KEYS
from stackcli.config.text_values import text_keys
from stackcli.config.yaml_files import UsageError


def write_words(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns KEY=VALUE for each setting; a list, tuple, range or array gives several values, each as it is.

    For attention.layers and pe.by_layer a list of names is one value, and a list of lists gives several.

    >>> write_words({"depth": [1, 2], "causal": True, "lr": 1e-3, "pe.by_layer": ["rope", "none"]})
    ('depth=1,2', 'causal=true', 'lr=0.001', 'pe.by_layer=rope,none')

    Raises UsageError for a value that is no number, text, boolean, path or None, and for an empty list.
    """
    return tuple(f"{key}={_write_setting(key, _plain(value))}" for key, value in settings.items())


def write_overrides(overrides: Sequence[Any]) -> tuple[str, ...]:
    """Returns the words of overrides that are texts, "depth=4", or dictionaries, {"pe.clip": 8}. Raises UsageError for
    anything else."""
    words: list[str] = []
    for given in overrides:
        if not isinstance(given, str | Mapping):
            raise UsageError([f"{given!r}: settings are texts such as 'depth=1,2', or keywords such as depth=[1, 2]"])
        words += [given] if isinstance(given, str) else write_words(given)
    return tuple(words)


def _plain(value: Any) -> Any:
    """A NumPy number, array or pandas column as numbers of Python; a path as its text; any sequence as a list."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple | range) else value


def _write_setting(key: str, value: Any) -> str:
    if not isinstance(value, list):
        return _write_value(key, value)
    if not value:
        raise UsageError([f"{key}=[]: no value; give at least one, such as {key}=[1]"])
    if key in LIST_KEYS and any(isinstance(names, list) for names in value):
        return ",".join(f"[{','.join(map(str, names))}]" for names in value)
    return ",".join(_write_value(key, item) for item in value)


def _write_value(key: str, value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return value if key in LIST_KEYS or _means(key, value, value) else _quote(key, value)
    raise UsageError([f"{key}={value!r}: not a value of a setting; give a number, a text, True, False or None"])


def _means(key: str, word: str, text: str) -> bool:
    """Whether a word without quotes is read as this text, and not as a number, as several values or as nothing."""
    try:
        return parse_override(f"{key}={word}").values == (text,)
    except UsageError:
        return False


def _quote(key: str, text: str) -> str:
    if key in text_keys():
        return "'" + text.replace("'", "\\'") + "'"
    return "'" + re.sub(r"(\\*)('|\Z)", lambda found: 2 * found[1] + ("\\'" if found[2] else ""), text) + "'"
