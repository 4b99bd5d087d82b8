"""The settings that ship with this package, composed by Hydra."""

from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from stackcli.common import registry
from stackcli.common.suggestions import suggest_nearest
from stackcli.config.settings import GROUPS, Config
from stackcli.config.validation import find_problems, format_value
from stackcli.config.yaml_files import UsageError, read_yaml

FOLDERS = (Path(__file__).parents[1] / "conf", Path(__file__).parents[2] / "conf")  # wheel, checkout


def config_folder() -> Path:
    """The configuration that ships with this package."""
    return next(f for f in FOLDERS if (f / "config.yaml").is_file())


@cache
def default_settings(extra: Path | None) -> tuple[dict[str, Any], dict[str, str]]:
    """(flat settings with their defaults, group -> default choice)."""
    path = next(f / "config.yaml" for f in _folders(extra) if (f / "config.yaml").is_file())
    values = read_yaml(path)
    listed = values.pop("defaults", None)
    known = {f.name for f in fields(Config)} - set(GROUPS) | {"seeds"}
    wrong = [f"{path}: unknown key {k!r}{suggest_nearest(k, known)}" for k in values if k not in known]
    wrong += [f"{path}: {k} is missing" for k in sorted(known - set(values))]
    if wrong:
        raise UsageError(wrong)
    return values, _chosen(listed, path)


def _chosen(listed: Any, path: Path) -> dict[str, str]:
    """The defaults list of a config.yaml: group -> choice. Raises UsageError where it does not name one of each."""
    form = "defaults: is a list with a line a group, such as - pe: learned"
    if not isinstance(listed, list):
        raise UsageError([f"{path}: {'no defaults list' if listed is None else 'defaults is not a list'}; {form}"])
    chosen, wrong = {}, []
    for entry in listed:
        pairs = entry.items() if isinstance(entry, dict) else [] if entry == "_self_" else [(entry, None)]
        for group, name in pairs:
            if group not in GROUPS:
                wrong.append(f"{path}: defaults: {format_value(group)} is not a group; choose from {', '.join(GROUPS)}")
            elif not isinstance(name, str) or name not in registry.part_names(group):
                offered = suggest_nearest(
                    str(name), registry.part_names(group), "choose from " + ", ".join(registry.part_names(group))
                )
                wrong.append(f"{path}: defaults: {group}: {format_value(name)}: no such choice{offered}")
            elif group in chosen:
                wrong.append(f"{path}: defaults: {group} is given twice")
            else:
                chosen[group] = name
    wrong += [f"{path}: defaults: {group} is missing; {form}" for group in GROUPS if group not in chosen and not wrong]
    if wrong:
        raise UsageError(wrong)
    return {group: chosen[group] for group in GROUPS}


def _folders(extra: Path | None) -> list[Path]:
    return [*([extra] if extra else []), config_folder()]


@cache
def part_defaults(group: str, name: str, extra: Path | None = None) -> dict[str, Any]:
    """A part's own keys and defaults: from its YAML, or from its constructor where it is an installed one."""
    for place in _folders(extra):
        if (path := place / group / f"{name}.yaml").is_file():
            values = read_yaml(path)
            if values.pop("name", None) != name:
                raise UsageError([f'{path}: must begin with name: "{name}" (in quotes)'])
            return values if place == config_folder() else _checked(group, name, values, path)
    return {key: k.default for key, k in registry.keys_of(group, name).items()}


def _checked(group: str, name: str, values: dict[str, Any], path: Path) -> dict[str, Any]:
    """A user's file of a part: its values in type and range, and for the keys that it leaves out those of ours. Raises
    UsageError."""
    shipped, known = part_defaults(group, name), registry.keys_of(group, name)
    has = ", ".join(known) or "none"
    wrong = [
        f"{path}: unknown key {k!r}{suggest_nearest(k, known, f'its keys: {has}')}" for k in values if k not in known
    ]
    found = {key: value for key, value in values.items() if key in known}
    annotations = {key: k.annotation for key, k in known.items()}
    wrong += [f"{path}: {problem}" for problem in find_problems(found, annotations, f"{group}.")]
    if wrong:
        raise UsageError(wrong)
    return {**shipped, **{k: float(v) if is_whole_for_decimal(v, shipped.get(k)) else v for k, v in found.items()}}


@cache
def compose_settings(chosen: tuple[tuple[str, str], ...], extra: Path | None) -> dict[str, Any]:
    """Every setting, as Hydra composes it for a choice of parts; those without YAML come from their constructors.

    Hydra takes 0.1 s. Where no file is a user's, no key of a part depends on another part, and Hydra composes once."""
    usual = tuple(default_settings(None)[1].items())
    if extra is None and chosen != usual:
        values = compose_settings(usual, None)
        other = {g: {"name": n, **part_defaults(g, n)} for g, n in chosen if values[g]["name"] != n}
        return {**values, **other}
    return _composed(chosen, extra)


def _composed(chosen: tuple[tuple[str, str], ...], extra: Path | None) -> dict[str, Any]:
    """As `compose_settings`, by Hydra."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    own = [(g, n) for g, n in chosen if any((place / g / f"{n}.yaml").is_file() for place in _folders(extra)[:-1])]
    found = {g: {"name": n, **part_defaults(g, n, extra)} for g, n in own}
    main = next(f for f in _folders(extra) if (f / "config.yaml").is_file())
    shipped = [(g, n) for g, n in chosen if (config_folder() / g / f"{n}.yaml").is_file()]
    words = [f"{g}={n}" for g, n in shipped]
    words += [f"hydra.searchpath=['file://{config_folder().as_posix()}']"] if main != config_folder() else []
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(main.resolve()), version_base="1.3"):
            values: dict[str, Any] = OmegaConf.to_container(compose("config", overrides=words), resolve=True)  # type: ignore[assignment]
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError([f"{main / 'config.yaml'}: {str(error).partition(chr(10))[0]}"]) from None
    found |= {g: {"name": n, **part_defaults(g, n, extra)} for g, n in chosen if (g, n) not in shipped}
    return {**values, **found}


def is_whole_for_decimal(value: Any, default: Any) -> bool:
    return isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool)
