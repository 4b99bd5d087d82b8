"""The identity of a run: a hash of its settings, its seed, its data and the source of its parts."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from stackcli.common import registry
from stackcli.config.settings import GROUPS, LISTED, Config
from stackcli.experiment import part_source

NUMERICS_VERSION = 4  # raised when the same settings give other numbers; a test of a golden loss guards it


class StoreError(ValueError):
    """The output folder cannot be used, or has another format (exit code 2)."""


class ConflictError(ValueError):
    """A study of the same name has other base settings (exit code 4)."""


def run_id(config: Config, fingerprint: str, *, test: bool = True) -> str:
    """Returns 16 hex digits: a hash of every setting that can change the result, of the content of the data (not its
    path), and of the source of the parts. `test`: whether the run reads the test part; one that does not has another
    id."""
    data = {"name": config.data.name, **config.data.placeless}
    more = {"content": fingerprint, "numerics": NUMERICS_VERSION, "source": part_sources(config)}
    return digest({**config.identity(), "data": data, **more} | ({} if test else {"test": False}))


def part_sources(config: Config) -> dict[str, str]:
    """Returns group -> hash of the source of the part that the run uses, and group.name -> that of each further part
    where layers have different ones. A group that came later is left out where it is off."""
    groups = [group for group in GROUPS if not config.is_off(group)]
    found = part_source.fingerprints({group: getattr(config, group).name for group in groups})
    more = {(group, name) for group in LISTED for name in config.kinds(group) if name != getattr(config, group).name}
    return found | {f"{group}.{name}": part_source.fingerprint(group, name) for group, name in sorted(more)}


def digest(value: Any) -> str:
    """Returns 16 hex digits of the sha256 of a value as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def edited_parts(source: Mapping[str, str], row: Mapping[str, Any], now: dict[tuple[str, str], str]) -> list[str]:
    """Returns the parts whose source is not the recorded one, as `pe=mine`. row: the settings of the run, as typed;
    now: hashes of the source as it is, by group and part, to which those that are missing are added."""
    out = []
    for key, was in source.items():
        group, _, name = key.partition(".")
        if group not in GROUPS:
            continue
        part = group, name or row[group]
        if part not in now:
            now[part] = part_source.fingerprint(*part) if part[1] in registry.part_names(group) else ""
        if now[part] != was:
            out.append(f"{group}={part[1]}")
    return out
