"""What the commands that make a study share: from their words and options to the call."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from stackcli.cli.app import announce, announce_slow, run_guarded
from stackcli.cli.options import count_jobs, parse_options
from stackcli.common.wording import count_noun

ABLATED = ("depth=1,2,4,8,16", "residual=pre,post")  # what ablate-depth runs where nothing else is typed
Make = Callable[[tuple[str, ...], Path | None], Any]  # (settings, --config-dir) -> Arms


def run_command(context: typer.Context, make: Make) -> None:
    """The common path of train, sweep, ablate-depth and compare-pe. `make` gives the runs for the settings typed."""

    def action() -> int:
        from stackcli.experiment.trackers import describe_places, describe_trackers

        options, jobs = parse_options(context)
        for line in describe_trackers(options):
            announce(line, quiet=options.quiet)
        code = run_options(context, make, options, jobs)
        for line in describe_places(options):
            announce(line, quiet=options.quiet)
        return code

    stopped = "stopped; finished runs are kept, and the same command goes on from here"
    run_guarded(action, context.params["debug"], stopped)


def run_options(context: typer.Context, make: Make, options: Any, jobs: int) -> int:
    """Runs a search or the runs that `make` gives; returns the exit code. jobs: -j as typed."""
    if options.sampler:
        refuse_search(options)
        space = search_space(context)
        announce(
            f"{options.command} --search {options.sampler}: {count_noun(options.trials, 'trials')} of "
            f"{', '.join(space.domains)}, then {count_noun(len(space.seeds), 'seeds')} of the best setting",
            quiet=options.quiet,
        )
        from stackcli.experiment.search import run_search

        return run_search(space, count_jobs(space, options, jobs))
    return run_arms(*prepare_arms(context, make, options, jobs))


def prepare_arms(context: typer.Context, make: Make, options: Any, jobs: int) -> tuple[Any, Any]:
    """The runs of a command that is no search, and its options with what `-j 0` means for them."""
    arms = typed_arms(context, make)
    options = count_jobs(arms, options, jobs)
    check_weights(arms, options)
    return arms, options


def run_arms(arms: Any, options: Any) -> int:
    """Runs them; returns the exit code."""
    if options.remedies:
        announce(f"{options.command} --remedies: the study, then remedies of what it finds", quiet=options.quiet)
        from stackcli.experiment.remedy_trials import run_remedies

        return run_remedies(arms, options)
    from stackcli.experiment.tuning import run_tuning

    return run_tuning(arms, options)


def refuse_search(options: Any) -> None:
    """Raises ValueError for an option that needs the weights of the runs of a search."""
    for word in ("explain", "attack"):
        if getattr(options, word):
            raise ValueError(f"--search and --{word}: a search keeps no weights; {word} the study of what it found")


def check_weights(arms: Any, options: Any) -> None:
    """Raises ValueError for runs without weights to explain or to attack."""
    for word in ("explain", "attack"):
        if getattr(options, word) and any(config.keep == "none" for config in arms.configs):
            raise ValueError(f"--{word} needs the weights of the runs; leave keep=none out")


def typed_arms(context: typer.Context, make: Make) -> Any:
    """The runs that the words typed ask for; with --experiment those of a recorded study."""
    words, config_dir = tuple(context.params["overrides"] or ()), context.params["config_dir"]
    experiment = context.params.get("experiment")
    if context.info_name == "compare-pe":
        announce("compare-pe: reading the settings for each data set", quiet=context.params["quiet"])
    if matched := [word for word in words if word.startswith("match=") and word != "match=none"]:
        announce(f"{context.info_name}: choosing the size of every depth, {matched[0]}", quiet=context.params["quiet"])
    said = context.params["quiet"] or matched or context.info_name == "compare-pe"
    with announce_slow(f"{context.info_name}: reading the settings", quiet=bool(said)):
        return replay(experiment, words, config_dir) if experiment else make(words, config_dir)


def search_space(context: typer.Context) -> Any:
    """What a search may try."""
    from stackcli.config.search_space import parse_space

    if context.params["experiment"]:
        raise ValueError(
            "--search and --experiment: a recorded study is replayed as recorded; type its settings instead"
        )
    return parse_space(tuple(context.params["overrides"] or ()), config_dir=context.params["config_dir"])


def replay(experiment: str, words: tuple[str, ...], config_dir: Path | None) -> Any:
    """The arms of a recorded study; further settings are added to each of them."""
    from stackcli.config.grid import parse_grid
    from stackcli.experiment import matched_cost
    from stackcli.experiment.study import Arms, read_experiment

    typed_keys = {word.partition("=")[0] for word in words}
    typed_keys |= {"steps", "epochs"} if typed_keys & {"steps", "epochs"} else set()  # one replaces the other
    recorded = read_experiment(experiment)
    arms = {
        name: (*(word for word in line if word.partition("=")[0] not in typed_keys), *words)
        for name, line in recorded.items()
    }
    typed = ("--experiment", experiment, *words)
    if list(arms) == [""]:
        return replace(matched_cost.matched_arms(arms[""], config_dir), typed=typed)
    grids = {name: parse_grid(line, config_dir=config_dir) for name, line in arms.items()}
    return Arms.of_experiment(grids, typed)


def single_run(words: tuple[str, ...], config_dir: Path | None) -> Any:
    """The run of `train`; under torchrun its processes train it."""
    from stackcli.config.grid import parse_grid
    from stackcli.experiment.study import Arms
    from stackcli.experiment.torchrun import add_devices

    return Arms.of_grid(parse_grid(add_devices(words), config_dir=config_dir, single=True))


def depth_arms(*presets: str) -> Make:
    """The runs of sweep, ablate-depth and probe: `presets` where no others are typed, their depths matched where
    `match=` asks for it."""

    def make(words: tuple[str, ...], config_dir: Path | None) -> Any:
        from stackcli.experiment import matched_cost

        return matched_cost.matched_arms(words, config_dir, presets)

    return make


def encoding_arms(words: tuple[str, ...], config_dir: Path | None) -> Any:
    """The runs of compare-pe."""
    from stackcli.experiment import encoding_benchmark

    return encoding_benchmark.encoding_arms(words, config_dir)
