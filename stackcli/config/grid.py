"""The words of a command -> its runs: every combination of the swept values, over seeds."""

import itertools
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackcli.common import registry
from stackcli.common.suggestions import suggest_nearest
from stackcli.config.defaults import (
    compose_settings,
    default_settings,
    is_whole_for_decimal,
    part_defaults,
)
from stackcli.config.layers import check_listed, listed_names, merge_parts
from stackcli.config.overrides import Axis, parse_override
from stackcli.config.settings import GROUPS, LIST_KEYS, LISTED, Config, Part, Scalar
from stackcli.config.validation import (
    check_together,
    check_values,
    choices_of,
    find_problems,
    format_value,
    is_float,
    key_types,
)
from stackcli.config.yaml_files import UsageError


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The product of the axes and the seeds. `axes`: swept settings but for `seed`, in the order typed; `base`: the
    settings that all runs share; `configs`: points in order, seeds innermost."""

    overrides: tuple[str, ...]
    axes: Mapping[str, tuple[Scalar, ...]]
    configs: tuple[Config, ...]
    base: Mapping[str, Scalar]
    seeds: tuple[int, ...]


def parse_grid(
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
    flat, chosen = default_settings(config_dir)
    values: dict[str, tuple[Any, ...]] = {a.key: a.values for a in axes}
    _check_use(values, single=single, needs=needs)
    check_names(values, chosen, config_dir)
    seeds = parse_seeds(values, flat, single)
    swept = {k: v for k, v in values.items() if len(v) > 1 and k not in ("seed", "seeds")}
    runs = math.prod(len(v) for v in swept.values()) * len(seeds)
    if runs > limit:
        raise UsageError([f"{runs:,} runs; at most {limit:,}. Give fewer values"])
    configs = build_configs(values, swept, seeds, flat, chosen, config_dir)
    every = [c.flat() for c in configs]
    base = {k: v for k, v in every[0].items() if k != "seed" and all(f.get(k, f) == v for f in every)}
    base = {k: v for k, v in base.items() if k not in swept}
    return Grid(overrides=tuple(overrides), axes=swept, configs=configs, base=base, seeds=seeds)


def _axes(overrides: Sequence[str], presets: Sequence[str], extra: Path | None) -> list[Axis]:
    found: list[Axis] = []
    problems: list[str] = []
    for word in overrides:
        try:
            found.append(parse_override(word, extra))
        except UsageError as error:
            problems += error.problems
    keys = [axis.key for axis in found]
    problems += [f"{key} is given twice; give all its values at once: {key}=1,2" for key in keys if keys.count(key) > 1]
    problems += check_length({axis.key: axis.values for axis in found})
    if problems:
        raise UsageError(problems)
    typed = {axis.key: axis for axis in found}
    own = {axis.key: typed.pop(axis.key, axis) for axis in map(parse_override, presets)}  # a command's axes come first
    return [*own.values(), *typed.values()]


def check_length(typed: Mapping[str, tuple[Any, ...]]) -> list[str]:
    """What is wrong where both `steps` and `epochs` are typed: steps replace epochs, which then mean nothing."""
    steps = [value for value in typed.get("steps", ()) if value != 0]
    if not steps or "epochs" not in typed:
        return []
    epochs, each = (",".join(map(format_value, typed[key])) for key in ("epochs", "steps"))
    return [
        f"steps={each} and epochs={epochs}: each sets how long a run trains; write only one, "
        f"steps={each} or epochs={epochs}"
    ]


def _check_use(values: Mapping[str, tuple[Any, ...]], *, single: bool, needs: str) -> None:
    if single:
        several = [k for k, v in values.items() if len(v) > 1]
        problems = [
            f"{k} has {len(values[k])} values, and train runs one setting; write stackattn sweep" for k in several
        ]
        if "seeds" in values and values["seeds"] != (1,):
            problems.append("train runs one seed; for several use: stackattn sweep seeds=3")
        if problems:
            raise UsageError(problems)
    if needs and len(values.get(needs, ())) < 2:
        example = "pe=learned,sinusoidal,relative"
        raise UsageError([f"comparing needs at least two values of {needs}; write {example}"])


def setting_keys() -> tuple[str, ...]:
    """Every setting: flat keys, groups, and the keys of their parts."""
    flat, _ = default_settings(None)
    own = {
        f"{g}.{k}"
        for g in GROUPS
        for n in registry.part_names(g)
        if registry.built_in(g, n)
        for k in part_defaults(g, n)
    }
    return (*flat, *GROUPS, *sorted({*own, *LIST_KEYS}))


def setting_choices() -> dict[str, tuple[str, ...]]:
    """Key -> what may be written for it, where that is a choice."""
    flat = {k: choices for k, a in key_types().items() if (choices := choices_of(a))}
    lists = {f"{group}.{key}": registry.part_names(group) for group, key in LISTED.items()}
    return {**{g: registry.part_names(g) for g in GROUPS}, **flat, **lists}


def check_names(values: Mapping[str, tuple[Any, ...]], chosen: Mapping[str, str], extra: Path | None) -> None:
    """Unknown keys, unknown parts, and keys that none of the chosen parts has."""
    flat, _ = default_settings(extra)
    problems = []
    for group in GROUPS:
        for name in values.get(group, ()):
            if not isinstance(name, str) or name not in registry.part_names(group):
                why = " (a boolean, not a name)" if isinstance(name, bool) else ""
                offered = suggest_nearest(
                    str(name), registry.part_names(group), "choose from " + ", ".join(registry.part_names(group))
                )
                offered = suggest_file(str(name)) or offered if group == "data" else offered
                problems.append(f"{group}={format_value(name)}: no such choice{why}{offered}")
    problems += check_listed(values)
    for key in values:
        group, dot, own = key.partition(".")
        if key in flat or key in GROUPS or key in LIST_KEYS:
            continue
        if not dot or group not in GROUPS:
            problems.append(
                f"unknown key {key!r}{suggest_nearest(key, setting_keys(), 'see: stackattn list settings')}"
            )
            continue
        names = listed_names(values, group) or values.get(group, (chosen[group],))
        names = tuple(n for n in names if n in registry.part_names(group))
        known = {k for n in names for k in part_defaults(group, n, extra)}
        if names and own not in known:
            has = ", ".join(f"{group}.{k}" for k in sorted(known)) or "none"
            hint = suggest_nearest(own, {*known, *filter(None, [LISTED.get(group)])}, f"its keys: {has}")
            hint = f"; did you mean {own}={format_value(values[key][0])}?" if own in flat else hint
            owners = [
                n for n in registry.part_names(group) if registry.built_in(group, n) and own in part_defaults(group, n)
            ]
            here = f"{group}={','.join(names)}"
            problems.append(
                describe_owners(key, str(format_value(values[key][0])), owners, here)
                if owners
                else f"unknown key {key!r} for {here}{hint}"
            )
    if problems:
        raise UsageError(problems)


KINDS = {".csv": "csv", ".tsv": "csv", ".jsonl": "csv", ".json": "csv", ".txt": "text", ".conllu": "conllu"}


def suggest_file(name: str) -> str:
    """Returns what to type instead of data=FILE; an empty text for a name that is none of a file."""
    kind = file_kind(name)
    return f"; did you mean data={kind} {shlex.quote(f'data.path={name}')}?" if kind else ""


def file_kind(name: str) -> str:
    """Returns the data set that reads files with this ending; an empty text where none does."""
    return next((kind for end, kind in KINDS.items() if name.lower().removesuffix(".gz").endswith(end)), "")


def describe_owners(key: str, value: str, owners: Sequence[str], here: str) -> str:
    """Says which parts have a key that the chosen one, `here`, does not have, and what to write."""
    group = key.partition(".")[0]
    which = " and ".join(filter(None, [", ".join(f"{group}={n}" for n in owners[:-1]), f"{group}={owners[-1]}"]))
    kind = file_kind(value) if key == "data.path" else ""
    first = kind or ("csv" if "csv" in owners else owners[0])
    return f"{key} belongs to {which}, not to {here}; write {group}={first} {shlex.quote(f'{key}={value}')}"


def parse_seeds(values: Mapping[str, tuple[Any, ...]], flat: Mapping[str, Any], single: bool) -> tuple[int, ...]:
    if len(values.get("seeds", ())) > 1:
        raise UsageError(["seeds takes one number: seeds=3 is seeds 0, 1, 2"])
    n = values.get("seeds", (flat["seeds"],))[0]
    first = values.get("seed", (flat["seed"],))
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= 10_000:
        raise UsageError([f"seeds={format_value(n)}: must be a whole number from 1 to 10000"])
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


def build_configs(
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
        listed = {g: names for g in LISTED if (names := listed_names({k: (v,) for k, v in asked.items()}, g))}
        first = {g: names[0] for g, names in listed.items()}
        wanted, unmet = _needed({g: str(first.get(g, asked.get(g, chosen[g]))) for g in GROUPS}, asked)
        problems += [text for text in unmet if text not in problems]
        choice = tuple(wanted.items())
        values_here = compose_settings(choice, extra)
        plain = {k: asked.get(k, values_here[k]) for k in flat if k not in ("seeds", "seed")}
        plain |= {"epochs": default_settings(None)[0]["epochs"]} if plain["steps"] else {}  # they mean nothing then
        wrong = check_values([plain])
        made = {g: _part(g, name, values_here[g], asked, wrong) for g, name in choice if g not in listed}
        for g, names in listed.items():
            each = {n: _part(g, n, part_defaults(g, n, extra), asked, wrong) for n in dict.fromkeys(names)}
            made[g] = merge_parts(g, names, each, asked, wrong)
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
        for other, needed in registry.needed_parts(group, name).items():
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
    known = registry.keys_of(group, name) if given else {}
    wrong += find_problems(
        given, {k: known[k].annotation if k in known else type(defaults[k]) for k in given}, f"{group}."
    )
    own = {**defaults, **given}
    cast = {k: float(v) if is_whole_for_decimal(v, defaults[k]) else v for k, v in own.items()}
    return Part(name=name, keys=tuple(sorted(cast.items())))


def _is_numbered(value: Any, default: Any) -> bool:
    """Whether a whole number was typed where text is meant, such as a column called 0."""
    return isinstance(default, str) and isinstance(value, int) and not isinstance(value, bool)
