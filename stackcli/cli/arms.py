"""The words of a command -> the runs that it asks for, and the path that all such commands take."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stackcli.cli.app import run_guarded
from stackcli.cli.options import at_once, options


def grid_of(overrides: list[str] | None, config_dir: Path | None, **how: Any) -> Any:
    from stackcli.config.grid import parse_grid
    from stackcli.experiment.study import Arms

    return Arms.of_grid(parse_grid(tuple(overrides or ()), config_dir=config_dir, **how))


def run(
    command: str, make: Callable[[], Any], debug: bool, config_dir: Path | None, experiment: str = "", **given: Any
) -> None:
    """The common path of train, sweep, ablate-depth and compare-pe; `make` gives the runs, or what a search may try."""

    def action() -> int:
        again = {
            "--study": given["study"],
            "--tune": given.get("tune", ""),
            "--search": given.get("sampler", ""),
            "--trials": given.get("trials"),
            "--prune": given.get("prune", False),
            "--remedies": given.get("remedies", False),
            "-j": given["jobs"] if command != "train" else 0,
            "--config-dir": str(config_dir or ""),
            "--out": str(given["out"]) if given["out"] != Path("outputs") else "",
        }
        words = ((option,) if value is True else (option, str(value)) for option, value in again.items() if value)
        asked = tuple(word for pair in words for word in pair)
        given["study"] = given["study"] or experiment
        chosen = dataclasses.replace(options(command, asked=asked, **given), config_dir=config_dir)
        made = make()
        chosen = at_once(made, chosen, given["jobs"])
        if chosen.sampler:
            from stackcli.experiment.search import run_search

            return run_search(made, chosen)
        if chosen.remedies:
            from stackcli.experiment.remedy_trials import run_remedies

            return run_remedies(made, chosen)
        from stackcli.experiment.tuning import run_tuning

        return run_tuning(made, chosen)

    run_guarded(action, debug)


def space_of(overrides: list[str] | None, config_dir: Path | None, experiment: str) -> Any:
    """What a search may try."""
    from stackcli.config import search_space

    if experiment:
        raise ValueError("--search and --experiment: a recorded study is replayed as it was; write its settings out")
    return search_space.parse_space(tuple(overrides or ()), config_dir=config_dir)


def replay(experiment: str, overrides: list[str] | None, config_dir: Path | None) -> Any:
    """The arms of a recorded study; further settings are added to each of them."""
    from dataclasses import replace

    from stackcli.config.grid import parse_grid
    from stackcli.experiment import matched_cost
    from stackcli.experiment.study import Arms, read_experiment

    more = list(overrides or ())
    mine = {w.partition("=")[0] for w in more}
    recorded = read_experiment(experiment)
    arms = {name: [*(w for w in words if w.partition("=")[0] not in mine), *more] for name, words in recorded.items()}
    typed = ("--experiment", experiment, *more)
    if list(arms) == [""]:
        return replace(matched_cost.matched_arms(arms[""], config_dir), typed=typed)
    grids = {name: parse_grid(tuple(words), config_dir=config_dir) for name, words in arms.items()}
    return Arms.of_experiment(grids, typed)


def matched_arms(overrides: list[str] | None, config_dir: Path | None, presets: tuple[str, ...] = ()) -> Any:
    """The runs of sweep and ablate-depth, their depths matched where `match=` says so."""
    from stackcli.experiment import matched_cost

    return matched_cost.matched_arms(tuple(overrides or ()), config_dir, presets)


def encoding_arms(overrides: list[str] | None, config_dir: Path | None) -> Any:
    """The runs of compare-pe."""
    from stackcli.experiment import encoding_benchmark

    return encoding_benchmark.encoding_arms(tuple(overrides or ()), config_dir)
