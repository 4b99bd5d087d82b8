"""`stackattn sweep`."""

from pathlib import Path

import typer

from stackcli.cli.app import app
from stackcli.cli.options import (
    Attack,
    Cols,
    ConfigDir,
    Csv,
    Debug,
    DryRun,
    Experiment,
    Explain,
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
    Search,
    Sort,
    Study,
    Top,
    Trials,
    Tune,
    Yes,
)
from stackcli.cli.study_command import depth_arms, run_command


@app.command(epilog="Example: stackattn sweep depth=1,2,4,8,16")
def sweep(
    context: typer.Context,
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
    experiment: Experiment = "",
    explain: Explain = False,
    attack: Attack = False,
    search: Search = "",
    trials: Trials = None,
    prune: Prune = False,
) -> None:
    """Train every combination, over several seeds. With --search, a search over the settings instead."""
    run_command(context, depth_arms())
