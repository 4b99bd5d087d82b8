"""The points of `cost`: from the words typed to every stack at every length, with all that is wrong said beforehand."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stackcli.common import registry
from stackcli.common.wording import count_noun, format_setting
from stackcli.config import overrides
from stackcli.config.defaults import part_defaults
from stackcli.config.grid import parse_grid, setting_keys
from stackcli.config.settings import Config
from stackcli.config.validation import format_value
from stackcli.config.yaml_files import UsageError
from stackcli.experiment import plan
from stackcli.experiment.study import Arms

LENGTHS = "seq=256,512,1024,2048,4096"
PRESETS = ("attention=full,window,linear", "pe=sinusoidal", "batch=1", "seeds=1")
REACH = 64  # tokens on each side, where a kind of attention looks at its neighbours: 2, as elsewhere, is no window here
WANTED = {"window": {"reach": REACH}, "dilated": {"reach": REACH}, "global": {"reach": REACH}}
LONGEST = 1_000_000  # tokens; as pe.range, the most positions that an encoding may have
MOST = 500  # points
WRITE = "write lengths as seq=256,512,1024"
REFUSED = {
    "seeds": "time and memory do not depend on the seed; leave seeds out",
    "data": "cost uses random tokens and reads no data; leave data out, and write the lengths as seq=256,512,1024",
    "match": "cost measures the sizes that are typed; leave match out, and write dim and ff",
    "match_depth": "cost measures the sizes that are typed; leave match_depth out",
}


@dataclass(frozen=True)
class CostPlan:
    """What to measure. `configs`: each stack once, `lengths`: the tokens at which each is measured; `arms`: the words
    and axes, without `seq`; `notes`: lines to print before anything is measured."""

    arms: Arms
    lengths: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of the tables; `seq` is the last one."""
        return (*self.arms.axes, "seq")

    @property
    def points(self) -> list[Any]:
        """A diagnostics.step_cost.Point for each stack and length, the lengths innermost. Every stack is built for the
        longest length, so that it is the same stack at every length."""
        from stackcli.diagnostics.cost_counts import Point

        longest = max(self.lengths)
        return [Point(config, length, longest) for config in self.arms.configs for length in self.lengths]


def plan_costs(words: Sequence[str], folder: Path | None = None) -> CostPlan:
    """Returns what the words ask for. Raises UsageError for words that cannot be used, ValueError for settings that do
    not fit together."""
    refuse_words(words)
    lengths, problems = read_lengths([word for word in words if word.partition("=")[0] == "seq"] or [LENGTHS])
    rest = [word for word in words if word.partition("=")[0] != "seq"]
    try:
        grid = parse_grid(rest, presets=PRESETS, config_dir=folder)
    except UsageError as error:
        raise UsageError([*problems, *error.problems]) from None
    points = len(grid.configs) * len(lengths)
    if points > MOST:
        problems.append(f"{points:,} points; at most {MOST}, as each has a process of its own. Give fewer values")
    if problems:
        raise UsageError(problems)
    typed = {word.partition("=")[0] for word in words}
    configs = tuple(dict.fromkeys(with_wanted(config, typed) for config in grid.configs))
    arms = replace(Arms.of_grid(grid), configs=configs, arms=("",) * len(configs), typed=tuple(words))
    check_points(configs, max(lengths))
    return CostPlan(arms, tuple(lengths), tuple(describe_presets(configs, words, typed)))


def refuse_words(words: Sequence[str]) -> None:
    """Raises UsageError for settings that mean nothing here, and for a key that is nearly `seq`."""
    problems = []
    for word in words:
        key = word.partition("=")[0]
        group = key.partition(".")[0]
        if group in REFUSED:
            problems.append(f"{word}: {REFUSED[group]}")
        elif key == "seed" and len(overrides.parse_override(word).values) > 1:
            problems.append(f"{word}: time and memory do not depend on the seed; write one value")
        elif key.isidentifier() and key not in (*setting_keys(), "seq"):
            near = difflib.get_close_matches(key, (*setting_keys(), "seq"), n=1, cutoff=0.6)
            problems += [f"unknown key {key!r}; did you mean seq?"] if near == ["seq"] else []
    if problems:
        raise UsageError(problems)


def read_lengths(words: Sequence[str]) -> tuple[list[int], list[str]]:
    """Reads `seq=`: the lengths in rising order, and what is wrong with them."""
    if len(words) > 1:
        return [1], ["seq is given twice; give all lengths at once: seq=256,512,1024"]
    try:
        values = overrides.parse_override(words[0]).values
    except UsageError as error:
        return [1], list(error.problems)
    found, problems = list[int](), list[str]()
    for value in values:
        shown = f"seq={format_value(value)}"
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value % 1:
            problems.append(f"{shown}: must be a whole number of tokens; {WRITE}")
        elif value < 1:
            problems.append(f"{shown}: must be at least 1 token; {WRITE}")
        elif value > LONGEST:
            problems.append(f"{shown}: at most {LONGEST:,} tokens, the most positions that an encoding may have")
        else:
            found.append(int(value))
    if len(set(found)) < len(found):
        problems.append(f"{words[0]}: a value is given twice")
    return sorted(found) or [1], problems


def with_wanted(config: Config, typed: set[str]) -> Config:
    """Returns the config with this command's own settings of its kind of attention, where nothing else was typed and
    the value is the default."""
    part = config.attention
    defaults = part_defaults("attention", part.name)
    wanted = {
        key: value
        for key, value in WANTED.get(part.name, {}).items()
        if f"attention.{key}" not in typed and part.options[key] == defaults[key]
    }
    return replace(config, attention=replace(part, keys=tuple(sorted({**part.options, **wanted}.items()))))


def check_points(configs: Sequence[Config], longest: int) -> None:
    """Raises ValueError for a device that this machine lacks, and for settings that do not fit together or do not go
    with random tokens."""
    plan.check_device({config.device for config in configs})
    for config in configs:
        if registry.load_part("pe", config.pe.name).needs_tree:
            raise ValueError(
                f"pe={config.pe.name} needs sentences with trees, and cost uses random tokens; write another pe"
            )
        plan.check_fit(config, {"sizes": {"train": config.batch}, "max_len": longest})
    plan.check_parts((config, {}) for config in configs)


def describe_presets(configs: Sequence[Config], words: Sequence[str], typed: set[str]) -> list[str]:
    """Says what this command sets itself."""
    own = [word for word in (LENGTHS, *PRESETS[:-1]) if word.partition("=")[0] not in typed]
    reach = [c.attention.name for c in configs if "attention.reach" not in typed and c.attention.name in WANTED]
    own += [f"attention.reach={REACH} of {' and '.join(dict.fromkeys(reach))}"] if reach else []
    return [f"set by this command: {', '.join(own)}"] if own else []


def describe_plan(asked: CostPlan) -> str:
    """Says how many points there are, and along which axes."""
    flats = [config.flat() for config in asked.arms.configs]
    axes = {axis: list(dict.fromkeys(format_setting(flat.get(axis)) for flat in flats)) for axis in asked.arms.axes}
    axes["seq"] = [f"{length}" for length in asked.lengths]
    text = "; ".join(f"{axis} = {', '.join(values)}" for axis, values in axes.items())
    return f"{count_noun(len(asked.arms.configs) * len(asked.lengths), 'points')} ({text}); nothing is trained"
