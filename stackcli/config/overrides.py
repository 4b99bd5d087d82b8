"""Override text -> the key and the values that each word asks for.

Every word is parsed in Hydra's own grammar, but for paths, columns and other text (`text_values`). An error says what
was given, what is allowed and what to type.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackcli.common import registry
from stackcli.config.settings import GROUPS, LIST_KEYS, Scalar
from stackcli.config.text_values import GROUP, SWEEP, is_file, is_path, split_texts, text_keys
from stackcli.config.yaml_files import UsageError

WORD = re.compile(r"(?P<key>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)=(?P<value>.*)", re.DOTALL)


EXAMPLES = {"attention.layers": "window,window,full", "pe.by_layer": "rope,none"}


# ---- one word


@dataclass(frozen=True)
class Axis:
    """A key and the values typed for it."""

    key: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Steps:
    """The values of a range that is searched, rising; `log`: on a log scale."""

    values: tuple[int | float, ...]
    log: bool = False


@dataclass(frozen=True)
class Interval:
    """Numbers that are searched, `low` to `high`, both included; `whole`: whole ones; `log`: on a log scale."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


Domain = tuple[Scalar, ...] | Steps | Interval  # what a search may try; a bare tuple is a choice without an order


def parse_override(word: str, extra: Path | None = None) -> Axis:
    """One override in Hydra's grammar. Raises UsageError."""
    from hydra.core.override_parser.types import IntervalSweep

    key = _key(word)
    if (texts := _texts(key, word)) is not None:
        return Axis(key, texts)
    value = _parsed(word)
    if isinstance(value, IntervalSweep) or getattr(value, "tags", None):
        hint = "a grid takes depth=1,2,4 or range(1,5)"
        raise UsageError([f"{word}: interval() and tag() belong to a search, sweep --search random; {hint}"])
    return Axis(key, _listed(word, key, value))


def parse_domain(word: str) -> tuple[str, Domain]:
    """One override of a search: the key, and what may be tried. Hydra leaves out the end of a range and that of an
    interval, and so does this. Raises UsageError."""
    from hydra.core.override_parser.types import IntervalSweep, RangeSweep

    key = _key(word)
    if (texts := _texts(key, word)) is not None:
        return key, texts
    value = _parsed(word)
    tags = set(getattr(value, "tags", ()))
    if tags - {"log"}:
        raise UsageError([f"{word}: the one tag that a search knows is log: tag(log,interval(1e-5,1e-2))"])
    if isinstance(value, IntervalSweep):
        return key, _interval(word, value, log=bool(tags))
    values = _listed(word, key, value)
    if isinstance(value, RangeSweep) and len(values) > 1:
        return key, _steps(word, sorted(v for v in values if isinstance(v, int | float)), log=bool(tags))
    if tags:
        raise UsageError([f"{word}: log is used with interval() and range(); the values of a choice have no scale"])
    return key, values


def _interval(word: str, value: Any, *, log: bool) -> Interval:
    low, end = value.start, value.end
    if not (math.isfinite(low) and math.isfinite(end) and low < end):
        raise UsageError([f"{word}: an interval goes from a number to a larger one, interval(0.1,0.5)"])
    if log and low <= 0:
        raise UsageError([f"{word}: an interval on a log scale begins above 0"])
    whole = isinstance(low, int) and isinstance(end, int)
    return Interval(low, end - 1 if whole else math.nextafter(end, low), log, whole)


def _steps(word: str, values: list[int | float], *, log: bool) -> Steps:
    if log and values[0] <= 0:
        raise UsageError([f"{word}: a range on a log scale begins above 0"])
    if log and (not isinstance(values[0], int) or values[1] - values[0] != 1):
        raise UsageError([f"{word}: a range on a log scale has whole numbers in steps of 1"])
    return Steps(tuple(values), log)


def domain_ends(found: Domain) -> tuple[Scalar, ...]:
    """The values that stand for all: every one of a choice, the first and the last of what has an order."""
    if isinstance(found, Interval):
        return (found.low, found.high) if found.low < found.high else (found.low,)
    return (found.values[0], found.values[-1]) if isinstance(found, Steps) else found


def _key(word: str) -> str:
    if "\0" in word or any(0xD800 <= ord(c) < 0xE000 for c in word):
        raise UsageError([f"{word!a}: holds a character that cannot be used"])
    refuse_word(word)
    match = WORD.fullmatch(word)
    if match is None:
        raise UsageError([f"{word!r}: settings are written key=value, for example depth=4"])
    return match["key"]


def refuse_word(word: str) -> None:
    """What Hydra would take and we do not."""
    key = word.partition("=")[0]
    reason = ""
    if word.startswith("--"):
        reason = flag_hint(word)
    elif word.startswith(("+", "~")):
        reason = "settings cannot be added or taken away; write key=value"
    elif key.startswith("hydra"):
        reason = "Hydra's own settings cannot be changed here"
    elif ("${" in word or "_target_" in word) and not (is_path(key) and is_file(word.partition("=")[2])):
        reason = "${...} and _target_ are not allowed; write the value"
    elif "@" in key or ":" in key:
        reason = "packages cannot be renamed; write group=choice"
    if reason:
        raise UsageError([f"{word}: {reason}"])


def flag_hint(word: str) -> str:
    """What to type instead of `--depth` or `--depth=4`."""
    key, _, value = word.lstrip("-").partition("=")
    return f"write {key}={value or '...'}"


def _parsed(word: str) -> Any:
    """The value as Hydra reads it: a scalar, a list, or one of Hydra's sweeps."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    key, _, text = word.partition("=")
    try:
        return OverridesParser.create().parse_override(word).value()
    except HydraException:
        if key in GROUPS and not set("()[]{}'\",").intersection(text):
            return text  # a name that no part has, such as that of a file
        raise UsageError([f"{word}: {describe_fault(key, text)}"]) from None


def _texts(key: str, word: str) -> tuple[Scalar, ...] | None:
    """The values of a key of text; None for any other key, and for choice(...)."""
    text = word.partition("=")[2]
    if not key.startswith(f"{GROUP}.") or key not in text_keys() or SWEEP.fullmatch(text):
        return None
    values = split_texts(key, text)
    if len(values) > 1 and "" in values:
        raise UsageError([f"{word}: {describe_fault(key, text)}"])
    if len(values) > len(set(values)):
        raise UsageError([f"{word}: a value is given twice"])
    return values


FUNCTIONS = {
    "range": "range(1,9) or range(1,9,2)",
    "interval": "interval(0.0001,0.01)",
    "choice": "choice(1,2,4)",
    "glob": "glob(r*)",
    "tag": "tag(log,interval(0.0001,0.01))",
    "int": "int(interval(1,9))",
}
CLOSING = {")": "(", "]": "[", "}": "{"}


def describe_fault(key: str, text: str) -> str:
    """Says in words why a value cannot be read, and what to write."""
    if (opened := _unclosed(text)) is not None:
        return opened
    call = re.match(r"\s*([A-Za-z_]\w*)\s*\(", text)
    if call and call[1] in FUNCTIONS:
        return f"{call[1]}() is written {key}={FUNCTIONS[call[1]]}"
    if call:
        return f"there is no {call[1]}(); there are {', '.join(f'{name}()' for name in FUNCTIONS)}"
    if not all(piece.strip() for piece in text.split(",")):
        return f"a value is missing beside a comma; write {key}=A,B"
    quoted = '"' if "'" in text else "'"
    return f"these characters need quotes; write {key}={quoted}{text}{quoted} for one value, or {key}=A,B for several"


def _unclosed(text: str) -> str | None:
    """Names the first quote or bracket that has no partner; None where all have one."""
    opened, quote = list[str](), ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in CLOSING.values():
            opened.append(sign)
        elif sign in CLOSING and (not opened or opened.pop() != CLOSING[sign]):
            return f"{sign} is closed but not opened; leave it out"
    missing = quote or next(reversed(opened), "")
    return f"{missing} is opened but not closed; close it or leave it out" if missing else None


def _listed(word: str, key: str, value: Any) -> tuple[Scalar, ...]:
    """The values one by one. Raises UsageError where one is given twice."""
    values = _lists(word, value) if key in LIST_KEYS else _values(word, key, value)
    if len(values) > len(set(map(repr, values))):
        raise UsageError([f"{word}: a value is given twice"])
    return values


def _values(word: str, key: str, value: Any) -> tuple[Scalar, ...]:
    from hydra.core.override_parser.types import ChoiceSweep, Glob, RangeSweep

    if getattr(value, "shuffle", False):
        raise UsageError([f"{word}: shuffle() has no seed; give the values in the order you want"])
    if isinstance(value, ChoiceSweep):
        return tuple(_scalar(word, v) for v in value.list)
    if isinstance(value, Glob):
        return _glob(word, key, value)
    if isinstance(value, RangeSweep):
        return _range(word, value)
    return (_scalar(word, value),)


def _lists(word: str, value: Any) -> tuple[Scalar, ...]:
    """The values of a key whose value is a list of names, each as text, a,b: commas separate the names of one list, and
    several lists are [a,b],[c]."""
    from hydra.core.override_parser.types import ChoiceSweep

    given = value.list if isinstance(value, ChoiceSweep) else [value]
    lists = given if any(isinstance(item, list) for item in given) else [given]
    found = []
    for names in lists:
        named = [_scalar(word, name) for name in names] if isinstance(names, list) else [None]
        text = ",".join(name if isinstance(name, str) else "" for name in named)
        if not all(name.strip() for name in text.split(",")):
            key = word.partition("=")[0]
            raise UsageError([f"{word}: a list of names, one for each layer; write {key}=[{EXAMPLES[key]}]"])
        found.append(",".join(name.strip() for name in text.split(",")))
    return tuple(found)


def _scalar(word: str, value: Any) -> Scalar:
    from hydra.core.override_parser.types import QuotedString

    if isinstance(value, QuotedString):
        return str(value.text)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UsageError([f"{word}: a list or dictionary is no value here"])


def _glob(word: str, key: str, value: Any) -> tuple[Scalar, ...]:
    if key not in GROUPS:
        raise UsageError([f"{word}: glob() chooses among parts; {key} is not one of {', '.join(GROUPS)}"])
    names = list(registry.part_names(key))
    found = tuple(value.filter(names))
    if not found:
        raise UsageError([f"{word}: matches nothing; choose from {', '.join(names)}"])
    return found


def _range(word: str, value: Any) -> tuple[Scalar, ...]:
    """The values of range(start, stop, step), stop excluded; decimals without rounding errors of binary addition."""
    from decimal import Decimal

    start, stop, step = (Decimal(str(x)) for x in (value.start, value.stop, value.step))
    if not step or not all(x.is_finite() for x in (start, stop, step)):
        raise UsageError([f"{word}: a range needs a finite step that is not 0"])
    n = max(0, math.ceil((stop - start) / step))
    if not n:
        raise UsageError([f"{word}: the range is empty"])
    if n > 100_000:
        raise UsageError([f"{word}: {n:,} values, at most 100,000"])
    whole = all(isinstance(x, int) for x in (value.start, value.stop, value.step))
    return tuple(int(start + i * step) if whole else float(start + i * step) for i in range(n))
