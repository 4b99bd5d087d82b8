"""What a run is: a hash of its settings, its seed, its data and the source of its parts."""

import hashlib
import json
from typing import Any

from stackcli.config.settings import GROUPS, Config
from stackcli.experiment import part_source

NUMERICS_VERSION = 2  # raised when the same settings give other numbers; a test of a golden loss guards it


class StoreError(ValueError):
    """The output place cannot be used, or is of another format (exit 2)."""


class ConflictError(ValueError):
    """A study of that name has other base settings (exit 4)."""


def run_id(config: Config, fingerprint: str, *, test: bool = True) -> str:
    """16 hex digits: a hash of every setting that can change the result, of the data's content, not its place, and of
    the source of the parts. `test`: whether the test part is read; a run that never saw it is another run."""
    data = {"name": config.data.name, **config.data.placeless}
    more = {"content": fingerprint, "numerics": NUMERICS_VERSION, "source": part_sources(config)}
    return digest({**config.identity(), "data": data, **more} | ({} if test else {"test": False}))


def part_sources(config: Config) -> dict[str, str]:
    """Group -> hash of the source of the part that is chosen there."""
    return part_source.fingerprints({group: getattr(config, group).name for group in GROUPS})


def digest(value: Any) -> str:
    """16 hex digits of a JSON value, keys sorted, floats by `repr`."""
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
