"""Override text -> a Grid of frozen Configs. The only importer of Hydra and OmegaConf; every user error is raised here.

Text is read with Hydra's grammar (`depth=1,2,4`, `range(1,5)`, `choice(...)`, `pe=glob(*)`), counted, composed with the
configuration folders, typed and range-checked. Problems are collected and raised together. `grid` is the whole story;
what it calls stands below it, in the order of the calls.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from stackcli import parts
from stackcli.settings import GROUPS, Config, Part, Scalar
from stackcli.suggest import choose, did_you_mean, divisible, large, nearest, short, unprintable

HINTS = get_type_hints(Config, include_extras=True)
SETTINGS = {key: hint for key, hint in HINTS.items() if key not in GROUPS} | {"seeds": Annotated[int, Ge(1), Le(10_000)]}

Problems = list[tuple[str, str]]  # (key, message); what is wrong with a key already is not checked further


class UsageError(ValueError):
    """What the user typed cannot be done; each problem says what was given, what is allowed and what to type."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Every run of a study, in order: the product of the axes, the one typed last running fastest, seeds inside it."""

    overrides: tuple[str, ...]  # as given, without the command's presets
    axes: Mapping[str, tuple[Scalar, ...]]  # the swept keys in the order typed, without seed; a part by its name
    configs: tuple[Config, ...]
    base: Mapping[str, Scalar]  # every other setting that is the same in all configs, without seed and seeds
    seeds: tuple[int, ...]


class Word(NamedTuple):
    """One override as read. A range is counted at once, and listed only where the grid is known to be small."""

    text: str  # what was typed after the `=`
    size: int
    values: Iterable[Any]
    swept: bool = True  # written as a sweep, even of one value

    def given(self, text: bool) -> list[tuple[str, Any]]:
        """(as shown, value) for each; where text is wanted, a lone `1` or `true` is the text that it was."""
        if self.swept:
            return [(_shown(value), value) for value in self.values]
        (value,) = self.values
        as_typed = text and not isinstance(value, str | list | dict) and "(" not in self.text
        return [(self.text, self.text.strip() if as_typed else value)]


class Entry(NamedTuple):
    """A value in a configuration file; `kind` is what YAML takes it for: str, int, float, bool or null."""

    text: str
    kind: str
    line: int


class File(NamedTuple):
    """A configuration file, read and found harmless. The values in a user's own are checked like typed words."""

    path: Path
    entries: Mapping[str, Entry]
    shipped: bool

    def at(self, key: str) -> str:
        line = f", line {self.entries[key].line}" if key in self.entries else ""
        return f"{self.path}{line}: "


def grid(
    overrides: Sequence[str],
    *,
    presets: Sequence[str] = (),
    single: bool = False,
    needs: str = "",
    config_dir: Path | None = None,
    limit: int = 100_000,
) -> Grid:
    """The runs that the overrides ask for. Prints, logs and writes nothing.

    `presets` are the command's own overrides, each replaced by the user's of the same key. `single` allows one value a
    key and one seed; `needs` names a key that must have two values. A part's own key applies to the parts that have
    it: `pe=learned,relative pe.clip=4,8` is three points. Raises UsageError with every problem found, and for more
    than `limit` runs before any is composed.
    """
    problems: Problems = []
    folders = _folders(config_dir)
    words = _words(presets, overrides, single, problems)
    main = _main_file(folders, problems)
    if (runs := _runs(words, main, single)) > limit:
        sizes = ", ".join(f"{large(word.size)} of {key}" for key, word in words.items() if word.size > 1)
        problems.append(("", f"{large(runs)} runs ({sizes or 'seeds'}): at most {limit:,}; sweep fewer values"))
        _refuse(problems)

    names = _names(words, main, problems)
    files = {(group, name): _part_file(folders, group, name, problems) for group in names for name in names[group]}
    if "file" in dict(problems):
        _refuse(problems)  # nothing can be composed from a broken file
    composed, composed_parts = _compose(names, files, folders)

    settings = _main_values(main, composed, problems)
    own = {key: _own_keys(*key, file, composed_parts.get(key, {}), problems) for key, file in files.items()}
    values: dict[str, tuple[Scalar, ...]] = {}
    own_values: dict[tuple[str, str, str], tuple[Scalar, ...]] = {}
    for key, word in words.items():
        if key in SETTINGS:
            values[key] = _typed(key, SETTINGS[key], word.given(_is_text(SETTINGS[key])), problems)
        elif key in GROUPS:
            values[key] = names[key]
        else:
            typed = _own_values(key, word, names, own, problems)
            own_values |= typed
            values[key] = next(iter(typed.values()), ())
    _check_needs(needs, values, problems)
    _refuse(problems)

    seeds = _seeds(words, {key: (value,) for key, value in settings.items()} | values, single, problems)
    points = _points(values, settings, names, own, own_values)
    _check_shapes(points, problems)
    _refuse(problems)
    axes = {key: some for key, some in values.items() if len(some) > 1 and key != "seed"}
    configs = tuple(Config(**point, seed=seed) for point in points for seed in seeds)
    return Grid(overrides=tuple(overrides), axes=axes, configs=configs, base=_base(configs, axes), seeds=seeds)


def count(
    overrides: Sequence[str], *, presets: Sequence[str] = (), single: bool = False, config_dir: Path | None = None
) -> int:
    """The number of runs asked for, computed and not listed; points that prove the same (`grid`) are counted twice."""
    problems: Problems = []
    words = _words(presets, overrides, single, problems)
    main = _main_file(_folders(config_dir), problems)
    _refuse(problems)
    return _runs(words, main, single)


def keys() -> tuple[str, ...]:
    """Every key a user can type: settings, groups, and the own keys of the parts that ship with this package."""
    return tuple(dict.fromkeys([*SETTINGS, *GROUPS, *(key for key, _ in _shipped_keys())]))


def choices() -> dict[str, tuple[str, ...]]:
    """Key or group -> what it can be, for the keys that take one of a few words. Imports no part."""
    few = {key: _words_of(hint) for key, hint in SETTINGS.items()}
    few |= {group: parts.names(group) for group in GROUPS}
    few |= {key: _words_of(bool) for key, entry in _shipped_keys() if entry.kind == "bool"}
    return {key: some for key, some in few.items() if some}


def flag_hint(word: str) -> str:
    """What to type instead of a flag that is a setting: `--weight-decay=0.1` -> `write weight_decay=0.1`; else ""."""
    name, _, value = word.lstrip("-").replace(" ", "=", 1).partition("=")
    key = nearest(name.replace("-", "_"), keys()) if name else ""
    return f"write {key}={short(value) or 'VALUE'}" if key else ""


# ---- reading words


def _words(presets: Sequence[str], overrides: Sequence[str], single: bool, problems: Problems) -> dict[str, Word]:
    """Each key with what was typed for it: presets that the user did not replace, then the user's, in order."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create()
    mine: dict[str, Word | None] = {}
    for text in overrides:
        key = text.partition("=")[0]
        try:
            if key in mine:
                raise ValueError(f"{key} is given twice; write {key}=A,B to sweep over values")
            mine[key] = None
            mine[key] = _word(parser, key, text, single)
        except ValueError as error:
            problems.append((key, str(error)))
    theirs = {text.partition("=")[0]: text for text in presets}
    words = {key: _word(parser, key, text, single) for key, text in theirs.items() if key not in mine}
    words |= {key: word for key, word in mine.items() if word}
    if "seed" in words and words["seed"].size > 1 and words.pop("seeds", None) and "seeds" in mine:
        problems.append(("seeds", "seeds is given with several values of seed; leave one of the two out"))
    return words


def _word(parser: Any, key: str, text: str, single: bool) -> Word:
    """One override, parsed. Raises ValueError in words meant for the user."""
    from hydra.errors import HydraException

    if why := _refusal(key, text) or _unknown(key):
        raise ValueError(why)
    try:
        word = _listed(key, text.partition("=")[2], parser.parse_override(text).value())
    except (HydraException, RecursionError) as error:
        reason = str(error).splitlines()[0][:100]
        advice = f"write {key}=VALUE, {key}=A,B,C, {key}=range(1,5), or odd characters in quotes: \"{key}='VALUE'\""
        raise ValueError(f"{short(text)}: cannot be read ({short(reason)}); {advice}") from None
    except ArithmeticError
    if single and (word.size > 1):
        raise ValueError(f"{short(text)}: train runs one setting; use sweep")
    return word
