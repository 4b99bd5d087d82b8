"""`stackattn probe`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stackcli.cli.app import app, run_guarded
from stackcli.cli.arms import matched_arms, replay
from stackcli.cli.options import (
    ConfigDir,
    Csv,
    Debug,
    Jobs,
    Json,
    Out,
    Overrides,
    Pictures,
    Quiet,
    Study,
    at_once,
    options,
)


@app.command(epilog="Example: stackattn probe depth=1,2,4,8,16 residual=pre,post,deepnorm")
def probe(
    overrides: Overrides = None,
    out: Out = Path("outputs"),
    study: Study = "",
    jobs: Jobs = 0,
    quiet: Quiet = False,
    json: Json = False,
    csv: Csv = "",
    figures: Pictures = "png,svg",
    config_dir: ConfigDir = None,
    debug: Debug = False,
    experiment: Annotated[str, typer.Option("--experiment", help="Replay a recorded study by its name.")] = "",
) -> None:
    """The depth check before any training. Signal, gradients and first step of stacks of depth 1 to 128, the slopes
    over depth beside theory, and the deepest stack that can be expected to train."""
    given: dict[str, Any] = dict(out=out, study=study or experiment, jobs=jobs, quiet=quiet, json=json, csv=csv)

    def action() -> int:
        from stackcli.experiment import initial_probe

        chosen = options("probe", **given, format="", figures=figures)
        if experiment:
            made = replay(experiment, overrides, config_dir)
        else:
            made = matched_arms(overrides, config_dir, presets=initial_probe.PRESETS)
        return initial_probe.run_probe(made, at_once(made, chosen, jobs))

    run_guarded(action, debug)
