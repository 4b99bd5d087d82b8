"""`stackattn sweep`, `ablate-depth` and `compare-pe`: many runs, and what they have in common."""

from collections.abc import Callable
from inspect import Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from stackcli.cli.app import app
from stackcli.cli.arms import encoding_arms, matched_arms, replay, run, space_of
from stackcli.cli.options import (
    Cols,
    ConfigDir,
    Csv,
    Debug,
    DryRun,
    FailFast,
    Force,
    Format,
    Jobs,
    Json,
    Out,
    Overrides,
    Pictures,
    Prune,
    Quiet,
    Remedies,
    Search,
    Sort,
    Study,
    Top,
    Trials,
    Tune,
    Yes,
)


def no_options() -> None:
    """The options of a command that has none of its own."""


def search_options(search: Search = "", trials: Trials = None, prune: Prune = False) -> None:
    """The options of a search."""


def remedy_options(remedies: Remedies = False) -> None:
    """The option of ablate-depth."""


def _many(
    command: str,
    make: Callable[[list[str] | None, Path | None], Any],
    doc: str,
    example: str,
    own: Callable[..., None] = no_options,
) -> None:
    """Registers one of the commands that train several runs; they differ in their axes, and in the options that the
    parameters of `own` are."""

    def many(
        overrides: Overrides = None,
        out: Out = Path("outputs"),
        study: Study = "",
        jobs: Jobs = 0,
        dry_run: DryRun = False,
        yes: Yes = False,
        force: Force = False,
        fail_fast: FailFast = False,
        quiet: Quiet = False,
        json: Json = False,
        csv: Csv = "",
        format: Format = "",
        cols: Cols = "",
        sort: Sort = "",
        top: Top = 0,
        figures: Pictures = "png,svg",
        tune: Tune = "",
        config_dir: ConfigDir = None,
        debug: Debug = False,
        experiment: Annotated[str, typer.Option("--experiment", help="Replay a recorded study by its name.")] = "",
        **more: Any,
    ) -> None:
        given = {k: v for k, v in locals().items() if k not in ("overrides", "config_dir", "debug", "experiment")}
        given = {k: v for k, v in given.items() if k not in ("make", "command", "more")}
        given |= {"sampler" if k == "search" else k: v for k, v in more.items()}
        if given.get("sampler"):
            run(command, lambda: space_of(overrides, config_dir, experiment), debug, config_dir, **given)
        elif experiment:
            run(command, lambda: replay(experiment, overrides, config_dir), debug, config_dir, experiment, **given)
        else:
            run(command, lambda: make(overrides, config_dir), debug, config_dir, **given)

    common = [p for p in signature(many).parameters.values() if p.kind is not p.VAR_KEYWORD]
    many.__signature__ = Signature([*common, *signature(own).parameters.values()])  # type: ignore[attr-defined]
    app.command(command, help=doc, epilog=f"Example: stackattn {example}")(many)


_many(
    "sweep",
    lambda words, folder: matched_arms(words, folder),
    "Train every combination, over several seeds. With --search, the settings that are worth trying instead.",
    "sweep depth=1,2,4,8,16",
    search_options,
)
_many(
    "ablate-depth",
    lambda words, folder: matched_arms(words, folder, presets=("depth=1,2,4,8,16", "residual=pre,post")),
    "Depth 1 to 16: what goes wrong, and what helps. With pre-LN and post-LN, where residual= names no others; "
    "match=params or match=flops chooses dim and ff so that no depth is larger than another.",
    "ablate-depth depth=1,4,16",
    remedy_options,
)
_many(
    "compare-pe",
    lambda words, folder: encoding_arms(words, folder),
    "Compare position encodings, paired by seed. On three data sets, where data= names no others; the first encoding "
    "named is the baseline.",
    "compare-pe pe=learned,sinusoidal,relative",
)
