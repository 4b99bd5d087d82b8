"""The words of a search -> what may be tried."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackcli.config.defaults import default_settings
from stackcli.config.grid import build_configs, check_length, check_names, parse_seeds
from stackcli.config.overrides import Domain, Interval, domain_ends, parse_domain
from stackcli.config.settings import Config, Scalar
from stackcli.config.yaml_files import UsageError

CORNERS = 2000  # combinations of ends up to which a search tries them all before it begins

UNSEARCHED = ("threads", "device", "precision", "compile", "kernel", "probes", "keep")


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
        sides = {key: domain_ends(found) for key, found in self.domains.items()}
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
        flat, chosen = default_settings(self.config_dir)
        swept = {key: found for key, found in values.items() if len(found) > 1}
        every = {**{key: (value,) for key, value in self.fixed.items()}, **values}
        return build_configs(every, swept, (seed,), flat, chosen, self.config_dir)


def parse_space(overrides: Sequence[str], *, config_dir: Path | None = None) -> Space:
    """What the words of a search allow. Raises UsageError with every problem that they have one by one."""
    if config_dir is not None and not config_dir.is_dir():
        raise UsageError([f"--config-dir {config_dir}: no such folder"])
    found: dict[str, Domain] = {}
    problems: list[str] = []
    for word in overrides:
        try:
            key, values = parse_domain(word)
            problems += [f"{key} is given twice; give all its values at once"] if key in found else []
            found[key] = values
        except UsageError as error:
            problems += error.problems
    if problems:
        raise UsageError(problems)
    sides = {key: domain_ends(values) for key, values in found.items()}
    if problems := check_length(sides):
        raise UsageError(problems)
    several = {key: values for key, values in found.items() if len(sides[key]) > 1}
    _check_searched(several)
    flat, chosen = default_settings(config_dir)
    check_names(sides, chosen, config_dir)
    seeds = parse_seeds(sides, flat, False)
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
