"""`stackattn cost`."""

from pathlib import Path

import typer

from stackcli.cli.app import announce, app, run_guarded
from stackcli.cli.options import (
    ConfigDir,
    Csv,
    Debug,
    DryRun,
    Json,
    Out,
    Overrides,
    Pictures,
    Quiet,
    Study,
    parse_options,
)


@app.command(epilog="Example: stackattn cost seq=512,1024,2048 attention=full,window")
def cost(
    context: typer.Context,
    overrides: Overrides = None,
    out: Out = Path("outputs"),
    study: Study = "",
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
    csv: Csv = "",
    figures: Pictures = "png,svg",
    config_dir: ConfigDir = None,
    debug: Debug = False,
) -> None:
    """What length costs, for each kind of attention. Time and memory of a training step at every length `seq=`, how
    they grow with length, depth and heads, and from which length one kind is faster than full attention."""

    def action() -> int:
        from stackcli.experiment.executor import check_local

        options, _ = parse_options(context)
        check_local(options)
        announce("cost: a training step at every length is measured; nothing is trained", quiet=quiet)
        from stackcli.experiment.cost_measurement import run_cost
        from stackcli.experiment.cost_points import plan_costs

        return run_cost(plan_costs(tuple(overrides or ()), config_dir), options)

    run_guarded(action, debug)
