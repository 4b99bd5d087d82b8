"""The commands that train, as functions: the same words, options and runs as on the command line."""

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from stackcli.api.stored_studies import Study
from stackcli.config.written_settings import write_overrides, write_words

Folder = str | os.PathLike[str]
Value = bool | int | float | str | os.PathLike[str] | None
Setting = Value | Sequence[Value] | Sequence[Sequence[str]]
Override = str | Mapping[str, Any]


def train(
    *overrides: Override,
    out: Folder = "outputs",
    study: str = "",
    config_dir: Folder | None = None,
    attack: bool = False,
    figures: str = "none",
    force: bool = False,
    quiet: bool = False,
    **settings: Setting,
) -> Study:
    """Trains one stack, and looks inside it: `sa.train(depth=4, pe="relative")`.

    overrides: settings as they are typed, "depth=4", or a dictionary for keys with a dot, {"pe.clip": 8}; settings: the
    same by keyword. figures: formats of the figures that are written to the folder of the study, such as "png,svg". The
    other options are those of `stackattn train --help`.

    Progress goes to stderr, unless `quiet`. Raises ValueError with the message of the command line for what it refuses,
    and KeyboardInterrupt once runs that were interrupted have saved their state; the same call then goes on.
    """
    options: dict[str, Any] = {
        "out": out,
        "study": study,
        "config_dir": config_dir,
        "attack": attack,
        "figures": figures,
    }
    return _run("train", overrides, settings, {**options, "force": force, "quiet": quiet})


def sweep(
    *overrides: Override,
    out: Folder = "outputs",
    study: str = "",
    jobs: int = 0,
    experiment: str = "",
    tune: str = "",
    config_dir: Folder | None = None,
    explain: bool = False,
    attack: bool = False,
    figures: str = "none",
    yes: bool = False,
    force: bool = False,
    fail_fast: bool = False,
    quiet: bool = False,
    **settings: Setting,
) -> Study:
    """Trains every combination of the settings, over several seeds: `sa.sweep(depth=[1, 2, 4], pe="rope", seeds=3)`.

    A list is an axis. `launcher=` and `tracker=` are given as settings. More than 200 runs need yes=True. A run that
    fails is said on stderr and has the status `failed` in `study.runs`. Otherwise as `train`.
    """
    options: dict[str, Any] = {
        "out": out,
        "study": study,
        "jobs": jobs,
        "experiment": experiment,
        "tune": tune,
        "figures": figures,
    }
    options |= {"config_dir": config_dir, "explain": explain, "attack": attack, "yes": yes, "force": force}
    return _run("sweep", overrides, settings, {**options, "fail_fast": fail_fast, "quiet": quiet})


def compare_pe(
    *overrides: Override,
    out: Folder = "outputs",
    study: str = "",
    jobs: int = 0,
    experiment: str = "",
    tune: str = "",
    config_dir: Folder | None = None,
    explain: bool = False,
    attack: bool = False,
    figures: str = "none",
    yes: bool = False,
    force: bool = False,
    fail_fast: bool = False,
    quiet: bool = False,
    **settings: Setting,
) -> Study:
    """Compares position encodings, paired by seed; the first is the baseline: `sa.compare_pe(pe=["learned", "rope"])`.

    Without `data=` on three data sets. Otherwise as `sweep`.
    """
    options: dict[str, Any] = {
        "out": out,
        "study": study,
        "jobs": jobs,
        "experiment": experiment,
        "tune": tune,
        "figures": figures,
    }
    options |= {"config_dir": config_dir, "explain": explain, "attack": attack, "yes": yes, "force": force}
    return _run("compare-pe", overrides, settings, {**options, "fail_fast": fail_fast, "quiet": quiet})


def ablate_depth(
    *overrides: Override,
    out: Folder = "outputs",
    study: str = "",
    jobs: int = 0,
    experiment: str = "",
    tune: str = "",
    remedies: bool = False,
    config_dir: Folder | None = None,
    explain: bool = False,
    attack: bool = False,
    figures: str = "none",
    yes: bool = False,
    force: bool = False,
    fail_fast: bool = False,
    quiet: bool = False,
    **settings: Setting,
) -> Study:
    """Trains several depths with pre-LN and post-LN, and names what goes wrong: `sa.ablate_depth(depth=[1, 16])`.

    remedies: what helps is tried too, on fresh seeds; `sa.load(out, f"{study.name}-remedies")` has these runs.
    Otherwise as `sweep`.
    """
    options: dict[str, Any] = {
        "out": out,
        "study": study,
        "jobs": jobs,
        "experiment": experiment,
        "tune": tune,
        "figures": figures,
    }
    options |= {"config_dir": config_dir, "explain": explain, "attack": attack, "yes": yes, "force": force}
    return _run(
        "ablate-depth", overrides, settings, {**options, "remedies": remedies, "fail_fast": fail_fast, "quiet": quiet}
    )


def _run(command: str, overrides: Sequence[Override], settings: Mapping[str, Any], options: Mapping[str, Any]) -> Study:
    """Runs a command in this process; returns its study."""
    from stackcli.cli import study_command
    from stackcli.cli.main import read_command
    from stackcli.cli.options import parse_options
    from stackcli.experiment.tuning import tuning_name

    makers = {
        "train": study_command.single_run,
        "sweep": study_command.depth_arms(),
        "compare-pe": study_command.encoding_arms,
        "ablate-depth": study_command.depth_arms(*study_command.ABLATED),
    }
    context = read_command(
        command, [*_option_words(options), "--", *write_overrides(overrides), *write_words(settings)]
    )
    given, jobs = parse_options(context)
    arms, given = study_command.prepare_arms(context, makers[command], replace(given, printed=False), jobs)
    code = study_command.run_arms(arms, given)
    if code == 75:
        signal.raise_signal(signal.SIGTERM)  # the runs have saved their state: now it does what it would have done
    if code in (75, 130):
        raise KeyboardInterrupt("stopped; finished runs and checkpoints are kept, and the same call goes on from here")
    if code == 2:
        raise ValueError(f"{command}: more than 200 runs to train; write yes=True to start them")
    return Study(given.out, tuning_name(arms, given))


def _option_words(options: Mapping[str, Any]) -> list[str]:
    """The options of a command line; what is off or empty is left out."""
    words = []
    for name, value in options.items():
        if value is True:
            words.append(f"--{name.replace('_', '-')}")
        elif value not in (False, None, ""):
            words.append(f"--{name.replace('_', '-')}={value}")
    return words
