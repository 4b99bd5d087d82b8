"""Override text -> a Grid of frozen Configs. The only importer of hydra and omegaconf.

Every word is parsed in Hydra's own grammar, the groups are composed by Hydra, and all that is wrong is said at once:
what was given, what is allowed, what to type. Nothing below this module meets a string to be parsed.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from stackcli import parts
from stackcli.checks import check_together, check_value, check_values, is_float, shown, types
from stackcli.settings import GROUPS, Config, Part, Scalar
from stackcli.suggest import nearest
from stackcli.yaml_files import UsageError, read_yaml

FOLDERS = (Path(__file__).parent / "conf", Path(__file__).parent.parent / "conf")  # wheel, checkout
WORD = re.compile(r"(?P<key>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)=(?P<value>.*)", re.DOTALL)

CORNERS = 2000  # combinations of ends up to which a search tries them all before it begins
UNSEARCHED = ("threads", "device", "kernel", "probes", "keep")


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The product of the axes and the seeds. `axes`: swept settings but for `seed`, in the order typed; `base`: the
    settings that all runs share; `configs`: points in order, seeds innermost."""

    overrides: tuple[str, ...]
    axes: Mapping[str, tuple[Scalar, ...]]
    configs: tuple[Config, ...]
    base: Mapping[str, Scalar]
    seeds: tuple[int, ...]


# ---- where the YAML files are


def folder() -> Path:
    """The configuration that ships with this package."""
    return next(f for f in FOLDERS if (f / "config.yaml").is_file())


@cache
def _defaults(extra: Path | None) -> tuple[dict[str, Any], dict[str, str]]:
    """(flat settings with their defaults, group -> default choice)."""
    path = next(f / "config.yaml" for f in _folders(extra) if (f / "config.yaml").is_file())
    values = read_yaml(path)
    listed = values.pop("defaults", None)
    known = {f.name for f in fields(Config)} - set(GROUPS) | {"seeds"}
    wrong = [f"{path}: unknown key {k!r}{nearest(k, known)}" for k in values if k not in known]
    wrong += [f"{path}: {k} is missing" for k in sorted(known - set(values))]
    if wrong:
        raise UsageError(wrong)
    return values, _chosen(listed, path)


def _chosen(listed: Any, path: Path) -> dict[str, str]:
    """The defaults list of a config.yaml: group -> choice. Raises UsageError where it does not name one of each."""
    form = "defaults: is a list with a line a group, such as - pe: learned"
    if not isinstance(listed, list):
        raise UsageError([f"{path}: {'no defaults list' if listed is None else 'defaults is no list'}; {form}"])
    chosen, wrong = {}, []
    for entry in listed:
        pairs = entry.items() if isinstance(entry, dict) else [] if entry == "_self_" else [(entry, None)]
        for group, name in pairs:
            if group not in GROUPS:
                wrong.append(f"{path}: defaults: {shown(group)} is no group; choose from {', '.join(GROUPS)}")
            elif not isinstance(name, str) or name not in parts.names(group):
                offered = nearest(str(name), parts.names(group), "choose from " + ", ".join(parts.names(group)))
                wrong.append(f"{path}: defaults: {group}: {shown(name)}: no such part{offered}")
            elif group in chosen:
                wrong.append(f"{path}: defaults: {group} is given twice")
            else:
                chosen[group] = name
    wrong += [f"{path}: defaults: {group} is missing; {form}" for group in GROUPS if group not in chosen and not wrong]
    if wrong:
        raise UsageError(wrong)
    return {group: chosen[group] for group in GROUPS}


def _folders(extra: Path | None) -> list[Path]:
    return [*([extra] if extra else []), folder()]


@cache
def part_defaults(group: str, name: str, extra: Path | None = None) -> dict[str, Any]:
    """A part's own keys and defaults: from its YAML, or from its constructor where it is an installed one."""
    for place in _folders(extra):
        if (path := place / group / f"{name}.yaml").is_file():
            values = read_yaml(path)
            if values.pop("name", None) != name:
                raise UsageError([f'{path}: must begin with name: "{name}" (in quotes)'])
            return values if place == folder() else _checked(group, name, values, path)
    return {key: k.default for key, k in parts.keys_of(group, name).items()}


def _checked(group: str, name: str, values: dict[str, Any], path: Path) -> dict[str, Any]:
    """A user's file of a part: its values in type and range, and for the keys that it leaves out those of ours. Raises
    UsageError."""
    shipped, known = part_defaults(group, name), parts.keys_of(group, name)
    has = ", ".join(known) or "none"
    wrong = [f"{path}: unknown key {k!r}{nearest(k, known, f'its keys: {has}')}" for k in values if k not in known]
    found = {key: value for key, value in values.items() if key in known}
    wrong += [f"{path}: {w}" for k, v in found.items() for w in check_value(f"{group}.{k}", v, known[k].annotation)]
    if wrong:
        raise UsageError(wrong)
    return {**shipped, **{k: float(v) if _wants_float(v, shipped.get(k)) else v for k, v in found.items()}}


@cache
def composed(chosen: tuple[tuple[str, str], ...], extra: Path | None) -> dict[str, Any]:
    """Every setting, as Hydra composes it for a choice of parts; those without YAML come from their constructors."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    own = [(g, n) for g, n in chosen if any((place / g / f"{n}.yaml").is_file() for place in _folders(extra)[:-1])]
    found = {g: {"name": n, **part_defaults(g, n, extra)} for g, n in own}
    main = next(f for f in _folders(extra) if (f / "config.yaml").is_file())
    shipped = [(g, n) for g, n in chosen if (folder() / g / f"{n}.yaml").is_file()]
    words = [f"{g}={n}" for g, n in shipped]
    words += [f"hydra.searchpath=['file://{folder().as_posix()}']"] if main != folder() else []
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(main.resolve()), version_base="1.3"):
            values: dict[str, Any] = OmegaConf.to_container(compose("config", overrides=words), resolve=True)  # type: ignore[assignment]
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError([f"{main / 'config.yaml'}: {str(error).partition(chr(10))[0]}"]) from None
    found |= {g: {"name": n, **part_defaults(g, n, extra)} for g, n in chosen if (g, n) not in shipped}
    return {**values, **found}


# ---- one word


@dataclass(frozen=True)
class Axis:
    """A key and the values typed for it."""

    key: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Steps:
    """The values of a range that is searched, rising; `log`: by their logarithm."""

    values: tuple[int | float, ...]
    log: bool = False


@dataclass(frozen=True)
class Interval:
    """Numbers that are searched, `low` to `high`, both included; `whole`: whole ones; `log`: by their logarithm."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


Domain = tuple[Scalar, ...] | Steps | Interval  # what a search may try; a bare tuple is a choice without an order


def parse(word: str, extra: Path | None = None) -> Axis:
    """One override in Hydra's grammar. Raises UsageError."""
    from hydra.core.override_parser.types import IntervalSweep

    key, value = _key(word), _parsed(word)
    if isinstance(value, IntervalSweep) or getattr(value, "tags", None):
        hint = "a grid takes depth=1,2,4 or range(1,5)"
        raise UsageError([f"{word}: interval() and tag() belong to a search, sweep --search random; {hint}"])
    return Axis(key, _listed(word, key, value))


def domain(word: str) -> tuple[str, Domain]:
    """One override of a search: the key, and what may be tried. Hydra leaves out the end of a range and that of an
    interval, and so does this. Raises UsageError."""
    from hydra.core.override_parser.types import IntervalSweep, RangeSweep

    key, value = _key(word), _parsed(word)
    tags = set(getattr(value, "tags", ()))
    if tags - {"log"}:
        raise UsageError([f"{word}: the one tag that a search knows is log: tag(log,interval(1e-5,1e-2))"])
    if isinstance(value, IntervalSweep):
        return key, _interval(word, value, log=bool(tags))
    values = _listed(word, key, value)
    if isinstance(value, RangeSweep) and len(values) > 1:
        return key, _steps(word, sorted(v for v in values if isinstance(v, int | float)), log=bool(tags))
    if tags:
        raise UsageError([f"{word}: log goes with interval() and range(); the values of a choice have no scale"])
    return key, values


def _interval(word: str, value: Any, *, log: bool) -> Interval:
    low, end = value.start, value.end
    if not (math.isfinite(low) and math.isfinite(end) and low < end):
        raise UsageError([f"{word}: an interval goes from a number to a larger one, interval(0.1,0.5)"])
    if log and low <= 0:
        raise UsageError([f"{word}: an interval by its logarithm begins above 0"])
    whole = isinstance(low, int) and isinstance(end, int)
    return Interval(low, end - 1 if whole else math.nextafter(end, low), log, whole)


def _steps(word: str, values: list[int | float], *, log: bool) -> Steps:
    if log and values[0] <= 0:
        raise UsageError([f"{word}: a range by its logarithm begins above 0"])
    if log and (not isinstance(values[0], int) or values[1] - values[0] != 1):
        raise UsageError([f"{word}: by its logarithm a range takes whole numbers in steps of 1"])
    return Steps(tuple(values), log)


def ends(found: Domain) -> tuple[Scalar, ...]:
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
    elif "${" in word or "_target_" in word:
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
    if text.startswith("~/"):  # of the grammar ~ begins a deletion; of a path it is the home folder
        word = f"{key}='{text}'" if "'" not in text else word
    try:
        return OverridesParser.create().parse_override(word).value()
    except HydraException as error:
        why = str(error).partition("\n")[0]
        raise UsageError([f"{word}: not in Hydra's grammar ({why}); quote text with '...'"]) from None


def _listed(word: str, key: str, value: Any) -> tuple[Scalar, ...]:
    """The values one by one. Raises UsageError where one is given twice."""
    values = _values(word, key, value)
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
    names = list(parts.names(key))
    found = tuple(value.filter(names))
    if not found:
        raise UsageError([f"{word}: matches nothing; choose from {', '.join(names)}"])
    return found


def _range(word: str, value: Any) -> tuple[Scalar, ...]:
    """The values of range(start, stop, step), stop excluded; decimals without the dust of binary addition."""
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


# ---- the grid


def grid(
    overrides: Sequence[str],
    *,
    presets: Sequence[str] = (),
    single: bool = False,
    needs: str = "",
    config_dir: Path | None = None,
    limit: int = 100_000,
) -> Grid:
    """The runs that the words ask for. `presets` are a command's own words, each replaced by the user's for its key;
    `single` allows one value a key and one seed; `needs` names a key that must have several values. Raises UsageError
    with every problem at once."""
    if config_dir is not None and not config_dir.is_dir():
        raise UsageError([f"--config-dir {config_dir}: no such folder"])
    axes = _axes(overrides, presets, config_dir)
    flat, chosen = _defaults(config_dir)
    values: dict[str, tuple[Any, ...]] = {a.key: a.values for a in axes}
    _check_use(values, single=single, needs=needs)
    _check_names(values, chosen, config_dir)
    seeds = _seeds(values, flat, single)
    swept = {k: v for k, v in values.items() if len(v) > 1 and k not in ("seed", "seeds")}
    runs = math.prod(len(v) for v in swept.values()) * len(seeds)
    if runs > limit:
        raise UsageError([f"{runs:,} runs; at most {limit:,}. Give fewer values"])
    configs = _configs(values, swept, seeds, flat, chosen, config_dir)
    every = [c.flat() for c in configs]
    base = {k: v for k, v in every[0].items() if k != "seed" and all(f.get(k, f) == v for f in every)}
    base = {k: v for k, v in base.items() if k not in swept}
    return Grid(overrides=tuple(overrides), axes=swept, configs=configs, base=base, seeds=seeds)


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a search may try: `domains`, the searched settings in the order typed; `fixed`, the others that were typed;
    `seeds`, of the study that follows."""

    overrides: tuple[str, ...]
    domains: Mapping[str, Domain]
    fixed: Mapping[str, Scalar]
    seeds: tuple[int, ...]
    config_dir: Path | None = None

    def config(self, values: Mapping[str, Scalar], seed: int) -> Config:
        """One setting; what `values` leaves out is at its default. Raises UsageError where they do not go together."""
        return self._configs({key: (value,) for key, value in values.items()}, seed)[0]

    def corners(self, seed: int) -> tuple[Config, ...]:
        """Every combination of the ends; where they are very many, each end with the first of the others. Raises
        UsageError with all that is wrong with them."""
        sides = {key: ends(found) for key, found in self.domains.items()}
        try:
            return self._corners(sides, seed)
        except UsageError as error:
            raise UsageError(map(self._hinted, error.problems)) from None

    def _hinted(self, problem: str) -> str:
        """What is wrong; where an interval of decimals meets a setting that is whole, what to type instead."""
        key = problem.partition("=")[0]
        if isinstance(self.domains.get(key), Interval) and problem.endswith("must be a whole number"):
            return f"{key}: must be a whole number; write {key}=range(1,9) or '{key}=int(interval(1,9))'"
        return problem

    def _corners(self, sides: Mapping[str, tuple[Scalar, ...]], seed: int) -> tuple[Config, ...]:
        if math.prod(map(len, sides.values())) <= CORNERS:
            return self._configs(sides, seed)
        first = {key: values[:1] for key, values in sides.items()}
        stars = [{**first, key: values} for key, values in sides.items()]
        return tuple(dict.fromkeys(c for star in stars for c in self._configs(star, seed)))

    def _configs(self, values: Mapping[str, tuple[Scalar, ...]], seed: int) -> tuple[Config, ...]:
        flat, chosen = _defaults(self.config_dir)
        swept = {key: found for key, found in values.items() if len(found) > 1}
        every = {**{key: (value,) for key, value in self.fixed.items()}, **values}
        return _configs(every, swept, (seed,), flat, chosen, self.config_dir)


def space(overrides: Sequence[str], *, config_dir: Path | None = None) -> Space:
    """What the words of a search allow. Raises UsageError with every problem that they have one by one."""
    if config_dir is not None and not config_dir.is_dir():
        raise UsageError([f"--config-dir {config_dir}: no such folder"])
    found: dict[str, Domain] = {}
    problems: list[str] = []
    for word in overrides:
        try:
            key, values = domain(word)
            problems += [f"{key} is given twice; give all its values at once"] if key in found else []
            found[key] = values
        except UsageError as error:
            problems += error.problems
    if problems:
        raise UsageError(problems)
    sides = {key: ends(values) for key, values in found.items()}
    several = {key: values for key, values in found.items() if len(sides[key]) > 1}
    _check_searched(several)
    flat, chosen = _defaults(config_dir)
    _check_names(sides, chosen, config_dir)
    seeds = _seeds(sides, flat, False)
    fixed = {key: values[0] for key, values in sides.items() if key not in (*several, "seed", "seeds")}
    return Space(overrides=tuple(overrides), domains=several, fixed=fixed, seeds=seeds, config_dir=config_dir)


def _check_searched(domains: Mapping[str, Domain]) -> None:
    """Raises UsageError where nothing is searched, or what no search can choose."""
    if not domains:
        example = "'lr=tag(log,interval(1e-5,1e-2))' dropout=0.0,0.1,0.3 depth=range(1,9)"
        raise UsageError([f"--search: nothing to search; give a setting several values, such as {example}"])
    problems = []
    for key in domains:
        if key in ("seed", "seeds"):
            why = "the search has a seed of its own, and the best setting is run on fresh ones: seeds=3"
        elif key.partition(".")[0] == "data":
            why = "losses on other data cannot be compared; search each data set by itself"
        elif key in UNSEARCHED:
            why = "it says how a run is done and what is kept of it, not what is trained"
        else:
            continue
        problems.append(f"{key}: a search cannot choose it: {why}")
    if problems:
        raise UsageError(problems)


def _axes(overrides: Sequence[str], presets: Sequence[str], extra: Path | None) -> list[Axis]:
    found: list[Axis] = []
    problems: list[str] = []
    for word in overrides:
        try:
            found.append(parse(word, extra))
        except UsageError as error:
            problems += error.problems
    keys = [axis.key for axis in found]
    problems += [f"{key} is given twice; give all its values at once: {key}=1,2" for key in keys if keys.count(key) > 1]
    if problems:
        raise UsageError(problems)
    typed = {axis.key: axis for axis in found}
    own = {axis.key: typed.pop(axis.key, axis) for axis in map(parse, presets)}  # a command's axes come first
    return [*own.values(), *typed.values()]


def _check_use(values: Mapping[str, tuple[Any, ...]], *, single: bool, needs: str) -> None:
    if single:
        several = [k for k, v in values.items() if len(v) > 1]
        problems = [f"{k} has {len(values[k])} values; train runs one setting. Use: stackattn sweep" for k in several]
        if "seeds" in values and values["seeds"] != (1,):
            problems.append("train runs one seed; for several use: stackattn sweep seeds=3")
        if problems:
            raise UsageError(problems)
    if needs and len(values.get(needs, ())) < 2:
        example = "pe=learned,sinusoidal,relative"
        raise UsageError([f"comparing needs at least two values of {needs}; write {example}"])


def keys() -> tuple[str, ...]:
    """Every setting: flat keys, groups, and the keys of their parts."""
    flat, _ = _defaults(None)
    own = {f"{g}.{k}" for g in GROUPS for n in parts.names(g) if parts.built_in(g, n) for k in part_defaults(g, n)}
    return (*flat, *GROUPS, *sorted(own))


def choices() -> dict[str, tuple[str, ...]]:
    """Key -> what may be written for it, where that is a choice."""
    literal = {k: tuple(a.__args__) for k, a in types().items() if getattr(a, "__origin__", None) is _literal()}
    flags = {k: ("true", "false") for k, a in types().items() if a is bool}
    return {**{g: parts.names(g) for g in GROUPS}, **literal, **flags}


def describe() -> str:
    """conf/config.yaml: every setting with its default and what it means."""
    return (folder() / "config.yaml").read_text(encoding="utf-8")


def _literal() -> Any:
    from typing import Literal

    return Literal


def _check_names(values: Mapping[str, tuple[Any, ...]], chosen: Mapping[str, str], extra: Path | None) -> None:
    """Unknown keys, unknown parts, and keys that none of the chosen parts has."""
    flat, _ = _defaults(extra)
    problems = []
    for group in GROUPS:
        for name in values.get(group, ()):
            if not isinstance(name, str) or name not in parts.names(group):
                why = " (a boolean, not a name)" if isinstance(name, bool) else ""
                offered = nearest(str(name), parts.names(group), "choose from " + ", ".join(parts.names(group)))
                problems.append(f"{group}={shown(name)}: no such part{why}{offered}")
    for key in values:
        group, dot, own = key.partition(".")
        if key in flat or key in GROUPS:
            continue
        if not dot or group not in GROUPS:
            problems.append(f"unknown key {key!r}{nearest(key, keys(), 'see: stackattn list settings')}")
            continue
        names = [n for n in values.get(group, (chosen[group],)) if n in parts.names(group)]
        known = {k for n in names for k in part_defaults(group, n, extra)}
        if names and own not in known:
            has = ", ".join(f"{group}.{k}" for k in sorted(known)) or "none"
            hint = nearest(own, known, f"its keys: {has}")
            problems.append(f"unknown key {key!r} for {group}={','.join(names)}{hint}")
    if problems:
        raise UsageError(problems)


def _seeds(values: Mapping[str, tuple[Any, ...]], flat: Mapping[str, Any], single: bool) -> tuple[int, ...]:
    if len(values.get("seeds", ())) > 1:
        raise UsageError(["seeds takes one number: seeds=3 is seeds 0, 1, 2"])
    n = values.get("seeds", (flat["seeds"],))[0]
    first = values.get("seed", (flat["seed"],))
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= 10_000:
        raise UsageError([f"seeds={shown(n)}: a whole number from 1 to 10000"])
    problems = check_values({"seed": s} for s in first)
    if not problems and len(first) == 1 and not single:
        problems = check_values([{"seed": first[0] + n - 1}])
    if problems:
        raise UsageError(problems)
    if len(first) > 1:
        if "seeds" in values:
            raise UsageError(["give seed=0,1,2 or seeds=3, not both"])
        return tuple(first)
    return (first[0],) if single else tuple(first[0] + i for i in range(n))


def _configs(
    values: Mapping[str, tuple[Any, ...]],
    swept: Mapping[str, tuple[Any, ...]],
    seeds: tuple[int, ...],
    flat: Mapping[str, Any],
    chosen: Mapping[str, str],
    extra: Path | None,
) -> tuple[Config, ...]:
    fixed = {k: v[0] for k, v in values.items() if len(v) == 1 and k not in ("seed", "seeds")}
    problems: list[str] = []
    points: dict[Config, None] = {}
    for combination in itertools.product(*swept.values()):
        asked = {**fixed, **dict(zip(swept, combination, strict=True))}
        wanted, unmet = _needed({g: str(asked.get(g, chosen[g])) for g in GROUPS}, asked)
        problems += [text for text in unmet if text not in problems]
        choice = tuple(wanted.items())
        values_here = composed(choice, extra)
        plain = {k: asked.get(k, values_here[k]) for k in flat if k not in ("seeds", "seed")}
        wrong = check_values([plain])
        made = {g: _part(g, name, values_here[g], asked, wrong) for g, name in choice}
        wrong += check_together(plain) if not wrong else []
        problems += wrong
        if not wrong:
            cast: dict[str, Any] = {k: float(v) if is_float(k) else v for k, v in plain.items()} | made
            points.update((Config(**cast, seed=seed), None) for seed in seeds)
    if problems:
        raise UsageError(problems)
    return tuple(points)


def _needed(choice: dict[str, str], asked: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """The choice with the parts that others need put in where nothing was typed, and what was typed against them."""
    out, unmet = dict(choice), []
    for group, name in choice.items():
        for other, needed in parts.needs(group, name).items():
            if other in asked and asked[other] != needed:
                unmet.append(f"{group}={name} needs {other}={needed}, not {asked[other]}; leave {other} out")
            out[other] = needed
    return out, unmet


def _part(group: str, name: str, composed_keys: Mapping[str, Any], asked: Mapping[str, Any], wrong: list[str]) -> Part:
    """The part chosen, with its own keys; what is wrong with them is added to `wrong`."""
    defaults = {k: v for k, v in composed_keys.items() if k != "name"}
    given = {k.partition(".")[2]: v for k, v in asked.items() if k.startswith(f"{group}.")}
    given = {k: v for k, v in given.items() if k in defaults}  # a key of another of the swept parts does not concern it
    given = {k: str(v) if _is_numbered(v, defaults[k]) else v for k, v in given.items()}
    annotations = {k: a.annotation for k, a in parts.keys_of(group, name).items()} if given else {}
    for key, value in given.items():
        wrong += check_value(f"{group}.{key}", value, annotations.get(key, type(defaults[key])))
    own = {**defaults, **given}
    cast = {k: float(v) if _wants_float(v, defaults[k]) else v for k, v in own.items()}
    return Part(name=name, keys=tuple(sorted(cast.items())))


def _is_numbered(value: Any, default: Any) -> bool:
    """Whether a whole number was typed where text is meant, such as a column called 0."""
    return isinstance(default, str) and isinstance(value, int) and not isinstance(value, bool)


def _wants_float(value: Any, default: Any) -> bool:
    return isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool)
