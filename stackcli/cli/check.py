"""`stackattn check`."""

from pathlib import Path

from stackcli.cli.app import announce, app, run_guarded
from stackcli.cli.options import ConfigDir, Debug, Json, Out, Overrides, Pictures, check_out, parse_formats


@app.command(epilog="Example: stackattn check pe=sinusoidal data.max_len=64")
def check(
    overrides: Overrides = None,
    out: Out = Path("outputs"),
    json: Json = False,
    figures: Pictures = "png,svg",
    config_dir: ConfigDir = None,
    debug: Debug = False,
) -> None:
    """Check a position encoding, property by property. With the evidence for each."""

    def action() -> int:
        from stackcli.config.grid import parse_grid

        grid = parse_grid(tuple(overrides or ()), single=True, config_dir=config_dir)
        formats = parse_formats(figures)
        if formats:
            check_out(out)
        announce(f"check: pe={grid.configs[0].pe.name}, some seconds", quiet=json)
        from stackcli.experiment.encoding_report import show_report

        return show_report(grid.configs[0], out, json=json, formats=formats)

    run_guarded(action, debug)
