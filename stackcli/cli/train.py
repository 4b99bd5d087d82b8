"""`stackattn train`."""

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
    Force,
    Format,
    Json,
    Out,
    Overrides,
    Pictures,
    Quiet,
    Study,
)
from stackcli.cli.study_command import run_command, single_run


@app.command(epilog="Example: stackattn train depth=4 pe=relative")
def train(
    context: typer.Context,
    overrides: Overrides = None,
    out: Out = Path("outputs"),
    study: Study = "",
    dry_run: DryRun = False,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
    csv: Csv = "",
    format: Format = "",
    cols: Cols = "",
    figures: Pictures = "png,svg",
    config_dir: ConfigDir = None,
    debug: Debug = False,
    attack: Attack = False,
) -> None:
    """Train one stack, and look inside it."""
    run_command(context, single_run)
