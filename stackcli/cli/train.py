"""`stackattn train`."""

from pathlib import Path
from typing import Any

from stackcli.cli.app import app
from stackcli.cli.arms import grid_of, run
from stackcli.cli.options import (
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


@app.command(epilog="Example: stackattn train depth=4 pe=relative")
def train(
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
) -> None:
    """Train one stack, and look inside it."""
    given: dict[str, Any] = dict(out=out, study=study, dry_run=dry_run, force=force, quiet=quiet, jobs=1)
    given |= dict(json=json, csv=csv, format=format, cols=cols, figures=figures)
    run("train", lambda: grid_of(overrides, config_dir, single=True), debug, config_dir, **given)
