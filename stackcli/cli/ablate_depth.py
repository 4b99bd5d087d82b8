"""`stackattn ablate-depth`."""

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
    Remedies,
    Sort,
    Study,
    Top,
    Tune,
    Yes,
)
from stackcli.cli.study_command import ABLATED, depth_arms, run_command


@app.command("ablate-depth", epilog="Example: stackattn ablate-depth depth=1,4,16")
def ablate_depth(
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
    remedies: Remedies = False,
) -> None:
    """Depth 1 to 16: what goes wrong, and what helps. With pre-LN and post-LN, where residual= names no others;
    match=params or match=flops chooses dim and ff so that no depth is larger than another."""
    run_command(context, depth_arms(*ABLATED))
