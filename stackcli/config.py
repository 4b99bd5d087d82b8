"""Override text -> a Grid of frozen Configs. The only importer of hydra and omegaconf.

Every word is parsed in Hydra's own grammar, the groups are composed by Hydra, and all that is wrong is said at once:
what was given, what is allowed, what to type. Nothing below this module meets a string to be parsed.
"""

import itertools
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from stackcli import parts
from stackcli.settings import GROUPS, Config, Part, Scalar
from stackcli.suggest import nearest

FOLDERS = (Path(__file__).parent / "conf", Path(__file__).parent.parent / "conf")  # wheel, checkout
BYTES_A_WEIGHT = 16  # weight, gradient and two moments of Adam, 4 bytes each
TOKENS = 16  # of a sequence, at least, where the memory of a stack is estimated
WORD = re.compile(r"(?P<key>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)=(?P<value>.*)", re.DOTALL)


class UsageError(ValueError):
    """What a person typed cannot be run; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))


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


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file of plain scalars. Raises UsageError naming the file, and the line where it is known."""
    import yaml

    try:
        text = path.read_bytes().decode("utf-8")
        for number, line in enumerate(text.splitlines(), start=1):
            bare = line.partition("#")[0]
            if re.search(r"(^|[\s:\[{,-])[&*][A-Za-z0-9_]", bare):
                raise UsageError([f"{path}: line {number}: anchors and aliases are not allowed"])
            if "_target_" in bare or "${" in bare:
                raise UsageError([f"{path}: line {number}: _target_ and ${{...}} are not allowed"])
        loaded = yaml.load(text, Loader=_loader())
    except UnicodeDecodeError as error:
        raise UsageError([f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8"]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise UsageError([f"{path}: {where}{getattr(error, 'problem', None) or 'no YAML'}"]) from None
    if not isinstance(loaded, dict):
        raise UsageError([f"{path}: expected lines of key: value"])
    return loaded


@cache
def _loader() -> Any:
    """A safe loader that refuses a key given twice and reads 1e-5 as a number."""
    import yaml

    class Strict(yaml.SafeLoader):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value} is given twice", key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    number = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)[eE][-+]?\d+$")
    Strict.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    return Strict


@cache
def _defaults(extra: Path | None) -> tuple[dict[str, Any], dict[str, str]]:
    """(flat settings with their defaults, group -> default choice)."""
    path = next(f / "config.yaml" for f in _folders(extra) if (f / "config.yaml").is_file())
    values = read_yaml(path)
    listed = values.pop("defaults", [])
    chosen = {k: str(v) for entry in listed if isinstance(entry, dict) for k, v in entry.items()}
    known = {f.name for f in fields(Config)} - set(GROUPS) | {"seeds"}
    wrong = [f"{path}: unknown key {k!r}{nearest(k, known)}" for k in values if k not in known]
    wrong += [f"{path}: {k} is missing" for k in sorted(known - set(values))]
    if wrong:
        raise UsageError(wrong)
    return values, {g: chosen.get(g, "") for g in GROUPS}


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
            return values
    return {key: k.default for key, k in parts.keys(parts.load(group, name)).items()}


@cache
def composed(chosen: tuple[tuple[str, str], ...], extra: Path | None) -> dict[str, Any]:
    """Every setting, as Hydra composes it for a choice of parts; those without YAML come from their constructors."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    main = next(f for f in _folders(extra) if (f / "config.yaml").is_file())
    shipped = [(g, n) for g, n in chosen if (folder() / g / f"{n}.yaml").is_file()]
    words = [f"{g}={n}" for g, n in shipped]
    words += [f"hydra.searchpath=['file://{folder().as_posix()}']"] if main != folder() else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(main.resolve()), version_base="1.3"):
        values: dict[str, Any] = OmegaConf.to_container(compose("config", overrides=words), resolve=True)  # type: ignore[assignment]
    own = [(g, n) for g, n in chosen if (g, n) not in shipped or (extra and (extra / g / f"{n}.yaml").is_file())]
    return {**values, **{g: {"name": n, **part_defaults(g, n, extra)} for g, n in own}}


# ---- one word


@dataclass(frozen=True)
class Axis:
    """A key and the values typed for it."""

    key: str
    values: tuple[Scalar, ...]


def parse(word: str, extra: Path | None = None) -> Axis:
    """One override in Hydra's grammar. Raises UsageError."""
    if "\0" in word or any(0xD800 <= ord(c) < 0xE000 for c in word):
        raise UsageError([f"{word!a}: holds a character that cannot be used"])
    refuse_word(word)
    match = WORD.fullmatch(word)
    if match is None:
        raise UsageError([f"{word!r}: settings are written key=value, for example depth=4"])
    key = match["key"]
    values = _values(word, key)
    if len(values) > len(set(map(repr, values))):
        raise UsageError([f"{word}: a value is given twice"])
    return Axis(key, values)


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


def _values(word: str, key: str) -> tuple[Scalar, ...]:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, RangeSweep
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(word)
        value = parsed.value()
    except HydraException as error:
        raise UsageError(
            [f"{word}: not in Hydra's grammar ({str(error).splitlines()[0]}); quote text with '...'"]
        ) from None
    if getattr(value, "shuffle", False):
        raise UsageError([f"{word}: shuffle() has no seed; give the values in the order you want"])
    if isinstance(value, ChoiceSweep):
        return tuple(_scalar(word, v) for v in value.list)
    if isinstance(value, Glob):
        return _glob(word, key, value)
    if isinstance(value, RangeSweep):
        return _range(word, value)
    if isinstance(value, IntervalSweep):
        raise UsageError([f"{word}: interval() belongs to a search; a grid takes depth=1,2,4 or range(1,5)"])
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
    literal = {k: tuple(a.__args__) for k, a in _types().items() if getattr(a, "__origin__", None) is _literal()}
    flags = {k: ("true", "false") for k, a in _types().items() if a is bool}
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
                shown = _shown(name)
                why = " (a boolean, not a name)" if isinstance(name, bool) else ""
                offered = nearest(str(name), parts.names(group), "choose from " + ", ".join(parts.names(group)))
                problems.append(f"{group}={shown}: no such part{why}{offered}")
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
        raise UsageError([f"seeds={_shown(n)}: a whole number from 1 to 10000"])
    problems = check_values({"seed": s} for s in first)
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
        choice = tuple((g, str(asked.get(g, chosen[g]))) for g in GROUPS)
        values_here = composed(choice, extra)
        plain = {k: asked.get(k, values_here[k]) for k in flat if k not in ("seeds", "seed")}
        wrong = check_values([plain])
        made = {g: _part(g, name, values_here[g], asked, wrong) for g, name in choice}
        wrong += check_together(plain) if not wrong else []
        problems += wrong
        if not wrong:
            cast: dict[str, Any] = {k: float(v) if _is_float(k) else v for k, v in plain.items()} | made
            points.update((Config(**cast, seed=seed), None) for seed in seeds)
    if problems:
        raise UsageError(problems)
    return tuple(points)


# ---- types and ranges


@cache
def _types() -> dict[str, Any]:
    from typing import get_type_hints

    return {k: a for k, a in get_type_hints(Config, include_extras=True).items() if k not in GROUPS}


def _is_float(key: str) -> bool:
    annotation = _types()[key]
    return getattr(annotation, "__origin__", annotation) is float


@cache
def _adapter(annotation: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False))


def check_values(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is out of type or range, in words."""
    return [w for row in rows for k, v in row.items() for w in check_value(k, v, _types()[k])]


def check_value(key: str, value: Any, annotation: Any) -> list[str]:
    """One value against its annotation; a whole number will do for a decimal one, nothing else is converted."""
    from pydantic import ValidationError

    try:
        _adapter(annotation).validate_python(value)
    except ValidationError as error:
        return [f"{key}={_shown(value)}: {_reason(e, annotation)}" for e in error.errors()[:1]]
    return []


def _reason(error: Any, annotation: Any) -> str:
    context = error.get("ctx", {})
    words = {"greater_than_equal": ("ge", "must be at least"), "greater_than": ("gt", "must be above")}
    words |= {"less_than_equal": ("le", "must be at most"), "less_than": ("lt", "must be below")}
    if error["type"] in words:
        bound, text = words[error["type"]]
        limit = context[bound]
        return f"{text} {limit:g}" if abs(limit) < 1e15 else f"{text} 2^63"
    if error["type"] == "literal_error":
        return f"choose from {', '.join(annotation.__args__)}"
    if error["type"] == "finite_number":
        return "must be a finite number"
    kind = getattr(annotation, "__origin__", annotation)
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text; quote it with '...'"}
    return f"must be {names.get(kind, str(kind))}"


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def check_together(plain: Mapping[str, Any]) -> list[str]:
    """Sizes that do not fit together, or into the memory of this machine."""
    dim, heads, depth = plain["dim"], plain["heads"], plain["depth"]
    if dim % heads:
        near = sorted({max(1, dim // heads) * heads, (dim // heads + 1) * heads})
        fits = [h for h in range(1, min(dim, 64) + 1) if dim % h == 0]
        offer = f"dim={' or dim='.join(map(str, near))}, or heads={', '.join(map(str, fits))}"
        return [f"dim={dim} is not divisible by heads={heads}; try {offer}"]
    kept = plain["batch"] * TOKENS * dim * (10 + 2 * plain["ff"]) * 4  # of a block, for the backward pass
    need = depth * ((4 + 2 * plain["ff"]) * dim**2 * BYTES_A_WEIGHT + kept)
    there = _memory()
    if there and need > there:
        what = f"depth={depth} dim={dim} ff={plain['ff']:g}"
        needs = f"{need / 2**30:,.0f} GiB for weights, optimiser and activations"
        return [f"{what}: needs about {needs}, this machine has {there / 2**30:.0f}"]
    return []


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _part(group: str, name: str, composed_keys: Mapping[str, Any], asked: Mapping[str, Any], wrong: list[str]) -> Part:
    """The part chosen, with its own keys; what is wrong with them is added to `wrong`."""
    defaults = {k: v for k, v in composed_keys.items() if k != "name"}
    given = {k.partition(".")[2]: v for k, v in asked.items() if k.startswith(f"{group}.")}
    given = {k: v for k, v in given.items() if k in defaults}  # a key of another of the swept parts does not concern it
    annotations = {k: a.annotation for k, a in parts.keys(parts.load(group, name)).items()} if given else {}
    for key, value in given.items():
        wrong += check_value(f"{group}.{key}", value, annotations.get(key, type(defaults[key])))
    own = {**defaults, **given}
    cast = {k: float(v) if _wants_float(v, defaults[k]) else v for k, v in own.items()}
    return Part(name=name, keys=tuple(sorted(cast.items())))


def _wants_float(value: Any, default: Any) -> bool:
    return isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool)
