"""`stackattn compare-pe`."""

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
    Quiet,
    Sort,
    Study,
    Top,
    Tune,
    Yes,
)
from stackcli.cli.study_command import encoding_arms, run_command


@app.command("compare-pe", epilog="Example: stackattn compare-pe pe=learned,sinusoidal,relative")
def compare_pe(
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
) -> None:
    """Compare position encodings, paired by seed. On three data sets, where data= names no others; the first encoding
    named is the baseline."""
    run_command(context, encoding_arms)
