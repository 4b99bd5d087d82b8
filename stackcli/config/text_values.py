"""Values that are text, such as a path or a column of a file: read as any shell passes them, without a grammar.

Commas separate several values, unless a file with the whole name exists; quotes around a value are taken off, and
protect its commas. Every other character stands for itself.
"""

import os
import re
from functools import cache
from pathlib import Path

from stackcli.common import registry
from stackcli.config.settings import Scalar

GROUP = "data"  # the group whose parts have keys of text
SWEEP = re.compile(r"\s*choice\(.*\)\s*", re.DOTALL)
PIECE = re.compile(
    r"""\s*(?:'(?P<single>(?:[^']|(?<=\\)')*)'|"(?P<double>(?:[^"]|(?<=\\)")*)"|(?P<bare>[^,]*?))\s*(?P<end>,|$)""",
    re.DOTALL,
)


@cache
def text_keys() -> frozenset[str]:
    """Returns the settings of data sets whose values are text of any kind."""
    parts = (registry.keys_of(GROUP, name) for name in registry.part_names(GROUP) if registry.built_in(GROUP, name))
    return frozenset(f"{GROUP}.{key}" for keys in parts for key, found in keys.items() if found.annotation is str)


def is_path(key: str) -> bool:
    """Returns whether the value of a key is a path."""
    return key in text_keys() and (key.endswith("path") or key == f"{GROUP}.vectors")


def is_file(text: str) -> bool:
    """Returns whether a file of this name exists; `~` is the home folder."""
    try:
        return Path(os.path.expanduser(text)).is_file()
    except (OSError, ValueError):
        return False


def split_texts(key: str, text: str) -> tuple[str, ...]:
    """Returns the values of a text key.

    >>> split_texts("data.text", "Question (text)"), split_texts("data.text", "a, 'b, c'")
    (('Question (text)',), ('a', 'b, c'))
    """
    if is_path(key) and is_file(text):
        return (text,)
    found, at = [], 0
    while at < len(text):
        piece = PIECE.match(text, at)
        assert piece is not None  # a bare piece goes to the next comma, or to the end
        quoted = piece["single"] if piece["single"] is not None else piece["double"]
        found.append(piece["bare"] if quoted is None else re.sub(r"\\(['\"])", r"\1", quoted))
        at = piece.end()
        found += [""] if piece["end"] and at == len(text) else []
    return tuple(found) or ("",)


def write_override(key: str, value: Scalar) -> str:
    """Returns the override that gives a key this value, without quotes of a shell."""
    from stackcli.common.wording import format_setting

    text = value if isinstance(value, str) else format_setting(value)
    if key not in text_keys() or split_texts(key, text) == (text,):
        return f"{key}={text}"
    escaped = text.replace("'", "\\'")
    return f"{key}='{escaped}'"
