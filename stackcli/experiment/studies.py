"""study.json: the list of runs of a study, which may grow."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from stackcli.config.settings import GROUPS, OFF, Config, Part
from stackcli.experiment.identity import ConflictError

LATER = {  # settings that came later, as a base has them where they are off
    **{field.name: field.default for field in fields(Config) if field.default is not MISSING},
    **{name: value.name if isinstance(value, Part) else value for name, value in OFF.items()},
}


def merge_studies(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the new study with the runs of the old one, except those that new runs replace."""
    runs = [*new["runs"], *missing_runs(old, new)]
    study = {**new, "runs": runs, "facts": {**old["facts"], **new["facts"]}}
    if "known" in new:
        was = old.get("known", {})
        study["known"] = {key: {**was.get(key, {}), **more} for key, more in new["known"].items()}
    return study


def missing_runs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the runs of `old` that no run of `new` replaces. A run replaces one with the same arm, values of the axes
    and seed, whose data, source of a part, or default of a part has changed since."""

    def slot(entry: Mapping[str, Any]) -> str:
        return json.dumps([entry["arm"], [entry["settings"].get(key) for key in (*new["axes"], "seed")]])

    here = {slot(entry) for entry in new["runs"]}
    return [entry for entry in old["runs"] if slot(entry) not in here]


def check_same_base(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raises ConflictError where two studies differ in a setting that is neither an axis nor the seed. A key that a
    part has gained or lost since does not count, and a setting that came later was off."""
    free = set(old["axes"]) | set(new["axes"]) | {"seed"}
    was, here = {**LATER, **old["base"]}, {**LATER, **new["base"]}
    alike = {group for group in GROUPS if was.get(group) == here.get(group)}
    free |= {key for key in was.keys() ^ here.keys() if "." in key and key.partition(".")[0] in alike}
    free |= {"epochs"} if was.get("steps") and here.get("steps") else set()  # steps replace them
    keys = sorted((set(was) | set(here)) - free)
    other = [f"{k}={was.get(k)!r} there, {here.get(k)!r} here" for k in keys if was.get(k) != here.get(k)]
    if other:
        raise ConflictError(f"study {name!r} has other settings: {'; '.join(other)}. Choose another --study name")


def check_name(name: str) -> str:
    """Returns the name of a study if it is safe as a folder name: letters, digits and . _ = , + -. Raises
    ValueError."""
    plain = all(c.isascii() and (c.isalnum() or c in "._=,+-") for c in name)
    good = plain and 0 < len(name) <= 100 and name[0].isalnum()
    if not good or name.rstrip(".") != name:
        shown = ascii(name if len(name) <= 40 else name[:40] + "...")
        raise ValueError(
            f"--study {shown}: a name is 1 to 100 letters, digits and . _ = , + -, and begins with a letter or digit"
        )
    return name
