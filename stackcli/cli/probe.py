"""`stackattn probe`."""

from pathlib import Path

import typer

from stackcli.cli.app import app, run_guarded
from stackcli.cli.options import (
    ConfigDir,
    Csv,
    Debug,
    Experiment,
    Jobs,
    Json,
    Out,
    Overrides,
    Pictures,
    Quiet,
    Study,
    count_jobs,
    parse_options,
)
from stackcli.cli.study_command import depth_arms, typed_arms


@app.command(epilog="Example: stackattn probe depth=1,2,4,8,16 residual=pre,post,deepnorm")
def probe(
    context: typer.Context,
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
    experiment: Experiment = "",
) -> None:
    """The depth check before any training. Signal, gradients and first step of stacks of depth 1 to 128, the slopes
    over depth beside theory, and the deepest stack that can be expected to train."""

    def action() -> int:
        from stackcli.experiment import initial_probe
        from stackcli.experiment.executor import check_local

        options, jobs = parse_options(context)
        check_local(options)
        arms = typed_arms(context, depth_arms(*initial_probe.PRESETS))
        return initial_probe.run_probe(arms, count_jobs(arms, options, jobs))

    run_guarded(action, debug)
